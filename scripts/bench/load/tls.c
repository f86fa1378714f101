// TLS 1.3 for the drivers that have it. The server's certificate is not checked: it is the one this bench made.
#include "load.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

static SSL_CTX *context;
enum { READ_BUFFER = 65536, MANY = 1000, ALPN_MAX = 32 };

static unsigned use_psk(SSL *ssl, const char *hint, char *identity, unsigned room, unsigned char *key, unsigned bytes) {
  (void)hint;
  (void)bytes; // OpenSSL has room for 512
  return (unsigned)driver->psk(SSL_get_app_data(ssl), identity, room, key);
}

void tls_start(void) {
  context = SSL_CTX_new(TLS_client_method());
  if (driver->alpn) {
    // RFC 7301: each name behind its length.
    unsigned char names[ALPN_MAX] = {(unsigned char)strlen(driver->alpn)};
    memcpy(names + 1, driver->alpn, names[0]);
    SSL_CTX_set_alpn_protos(context, names, names[0] + 1u);
  }
  if (driver->psk) SSL_CTX_set_psk_client_callback(context, use_psk);
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
  SSL_CTX_set1_groups_list(context, "X25519");
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (options.connections < MANY) {
    // Several records with one read.
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_BUFFER);
  } else {
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  }
}

void tls_begin(struct conn *c) {
  c->ssl = SSL_new(context);
  SSL_set_app_data(c->ssl, c);
  SSL_set_fd(c->ssl, c->fd);
  SSL_set_connect_state(c->ssl);
}

static bool would_block(struct conn *c, int result) {
  int error = SSL_get_error(c->ssl, result);
  ERR_clear_error();
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

int tls_handshake(struct conn *c) {
  int result = SSL_do_handshake(c->ssl);
  if (result == 1) return 1;
  return would_block(c, result) ? 0 : -1;
}

long tls_read(struct conn *c, void *bytes, size_t count) {
  size_t total = 0;
  // Until nothing is left: level-triggered epoll does not know what OpenSSL has read ahead.
  while (total < count) {
    int result = SSL_read(c->ssl, (unsigned char *)bytes + total, (int)(count - total));
    if (result > 0) {
      total += (size_t)result;
      continue;
    }
    bool again = would_block(c, result);
    if (total > 0) break;
    if (!again) return 0;
    errno = EAGAIN;
    return -1;
  }
  return (long)total;
}

long tls_write(struct conn *c, const void *bytes, size_t count) {
  int result = SSL_write(c->ssl, bytes, (int)count);
  if (result > 0) return result;
  errno = would_block(c, result) ? EAGAIN : EPIPE;
  return -1;
}

void tls_end(struct conn *c) {
  SSL_free(c->ssl);
  c->ssl = NULL;
}

bool tls_by_psk(const struct conn *c) { return c->ssl && SSL_session_reused(c->ssl); }

void tls_exporter(struct conn *c, unsigned char out[32]) {
  static const char label[] = "EXPORTER-Channel-Binding";
  if (SSL_export_keying_material(c->ssl, out, 32, label, sizeof label - 1, NULL, 0, 1) != 1) fail("no TLS exporter");
}
