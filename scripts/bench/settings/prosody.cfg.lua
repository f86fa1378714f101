-- Accounts in files (its default), no limits, no TLS, room for many who connect at once. Stream management is on; only the away row asks for it.
interfaces = { "127.0.0.1" }
c2s_ports = { {PORT} }
c2s_direct_tls_ports = {}
s2s_ports = {}
http_ports = {}
https_ports = {}
modules_enabled = {
  "roster"; "saslauth"; "disco"; "ping"; "register"; "announce"; "smacks";
}
modules_disabled = { "s2s"; "tls"; "limits"; }
admins = { "u00000@localhost" }
allow_registration = true
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
storage = "internal"
data_path = "{DIR}"
pidfile = "{DIR}/prosody.pid"
run_as_root = true
network_settings = { tcp_backlog = 4096 }
log = { { levels = { min = "error" }, to = "console" } }
VirtualHost "localhost"
