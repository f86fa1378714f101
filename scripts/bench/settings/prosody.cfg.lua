-- Accounts in files (its default), no limits, room for many who connect at once. Stream management is on; only the away row
-- asks for it. Passwords are stored hashed, as in the file that it comes with: PBKDF2 with SHA-1 and 10,000 rounds, which
-- Prosody does itself for a login by SASL PLAIN. TLS, where measured, is from the first byte.
interfaces = { "127.0.0.1" }
c2s_ports = { {PLAIN_PORT} }
c2s_direct_tls_ports = { {TLS_PORT} }
ssl = { key = "{KEY}", certificate = "{CERT}" }
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
authentication = "internal_hashed"
storage = "internal"
data_path = "{DIR}"
pidfile = "{DIR}/prosody.pid"
run_as_root = true
network_settings = { tcp_backlog = 4096 }
log = { { levels = { min = "error" }, to = "console" } }
VirtualHost "localhost"
