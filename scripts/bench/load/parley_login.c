// How a connection gets in: Hello, the proof of its key, Login or Resume, Attach (docs/protocol.md, sections 3 to 5).
// The center's own proof is not checked: that costs the center nothing, and this is no peer to be deceived.
#include "parley.h"
#include "protobuf.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

enum { REQUEST_LOGIN = 1, REQUEST_ATTACH = 2, KEY_MAX = 128, SIGNATURE_MAX = 128 };
static const char password[] = "bench password";
static const char label[] = "parley peer 1";

// One key for all connections: the center does the same work, and making 10,000 would only be waited for.
static EVP_PKEY *key;
static unsigned char public_key[KEY_MAX];
static size_t public_key_bytes;

void parley_prepare(void) {
  key = EVP_EC_gen("P-256");
  unsigned char *at = public_key;
  int bytes = i2d_PUBKEY(key, NULL);
  if (!key || bytes <= 0 || bytes > KEY_MAX || i2d_PUBKEY(key, &at) != bytes) fail("no key");
  public_key_bytes = (size_t)bytes;
  for (unsigned i = 0; i < options.connections; i++) {
    struct parley *p = calloc(1, sizeof *p);
    if (!p) fail("no memory");
    RAND_bytes(p->outbox, OUTBOX);
    conns[i].own = p;
  }
}

/** field: of the proof. */
static void resume(struct conn *c, const unsigned char *proof, size_t bytes, unsigned field) {
  struct parley *p = c->own;
  unsigned char body[TOKEN_MAX + 512], attach[64];
  unsigned char *at = write_bytes(body, 1, p->token, strlen(p->token));
  at = write_bytes(at, 2, public_key, public_key_bytes);
  if (bytes) at = write_bytes(at, field, proof, bytes);
  at = write_bytes(at, 4, attach, (size_t)(write_bytes(attach, 1, p->outbox, OUTBOX) - attach));
  parley_frame(c, REQUEST_LOGIN, FRAME_RESUME, body, (size_t)(at - body));
}

void parley_hello(struct conn *c) {
  struct parley *p = c->own;
  unsigned char body[256];
  RAND_bytes(p->nonce, NONCE);
  unsigned char *at = write_number(body, 1, 1);
  at = write_number(at, 2, 1);
  at = write_bytes(at, 3, "bench", 5);
  at = write_bytes(at, 5, p->nonce, NONCE);
  // Where TLS began with it, the center knows it, and nothing is left to prove.
  bool is_proved = tls_by_psk(c);
  if (p->ticket && !is_proved) at = write_bytes(at, 14, p->ticket, strlen(p->ticket));
  parley_frame(c, 0, FRAME_HELLO, body, (size_t)(at - body));
  if (is_proved) resume(c, NULL, 0, 0);
}

static size_t sign(const unsigned char *proof, size_t bytes, unsigned char signature[SIGNATURE_MAX]) {
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  size_t length = SIGNATURE_MAX;
  if (!context || EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) != 1 ||
      EVP_DigestSign(context, signature, &length, proof, bytes) != 1)
    fail("cannot sign");
  EVP_MD_CTX_free(context);
  return length;
}

static void log_in(struct conn *c, const struct field *nonce, const struct field *id, const struct field *identity,
                   bool by_ticket) {
  struct parley *p = c->own;
  if (nonce->length != NONCE || id->length != CENTER_ID) fail("Hello is not as expected");
  unsigned char proof[256];
  unsigned char *at = proof;
  memcpy(at, label, sizeof label);
  at += sizeof label;
  memcpy(at, id->data, CENTER_ID);
  at += CENTER_ID;
  SHA256(identity->data, identity->length, at);
  at += SHA256_DIGEST_LENGTH;
  memcpy(at, p->nonce, NONCE);
  at += NONCE;
  memcpy(at, nonce->data, NONCE);
  at += NONCE;
  if (c->ssl) {
    tls_exporter(c, at);
    at += 32;
  }
  if (by_ticket) {
    unsigned char mac[SECRET];
    ticket_mac(p, proof, (size_t)(at - proof), mac);
    return resume(c, mac, sizeof mac, 5);
  }
  unsigned char signature[SIGNATURE_MAX];
  size_t signature_bytes = sign(proof, (size_t)(at - proof), signature);
  if (!options.by_password && p->token) {
    resume(c, signature, signature_bytes, 3);
  } else {
    unsigned char body[512];
    char name[32];
    snprintf(name, sizeof name, "u%05u", options.first + c->index);
    at = write_bytes(body, 1, name, strlen(name));
    at = write_bytes(at, 2, password, sizeof password - 1);
    at = write_bytes(at, 3, public_key, public_key_bytes);
    at = write_bytes(at, 4, signature, signature_bytes);
    parley_frame(c, REQUEST_LOGIN, FRAME_LOGIN, body, (size_t)(at - body));
  }
}

static void hello(struct conn *c, struct reader r) {
  struct field f = {0}, nonce = {0}, id = {0}, identity = {0}, mac = {0};
  if (tls_by_psk(c)) return;
  while (read_field(&r, &f)) {
    if (f.number == 5) nonce = f;
    else if (f.number == 6) id = f;
    else if (f.number == 7) identity = f;
    else if (f.number == 15) mac = f;
  }
  ticket_center(identity.data, identity.length);
  log_in(c, &nonce, &id, &identity, mac.number != 0);
}

static void attached(struct conn *c, struct reader r) {
  struct parley *p = c->own;
  struct field f = {0};
  while (read_field(&r, &f)) {
    if (f.number == 1) p->base = f.value - (f.value >= c->sent ? c->sent : 0);
    else if (f.number == 2) p->waiting = f.value;
  }
  p->position = p->acked = 0;
  p->ack.received = c->received;
  p->ack.late_since_ns = 0;
  c->ready = true;
  work->ready(c);
}

static void welcome(struct conn *c, struct reader r) {
  struct parley *p = c->own;
  struct field f = {0}, done = {0}, ticket = {0};
  while (read_field(&r, &f)) {
    if (f.number == 6 && f.type == 2) done = f;
    if (f.number == 7) ticket = f;
    if (f.number != 3 || f.type != 2) continue;
    free(p->token);
    p->token = strndup((const char *)f.data, f.length);
  }
  if (ticket.number && !options.by_password) ticket_take(p, key, ticket.data, ticket.length);
  if (done.number) return attached(c, (struct reader){done.data, done.data + done.length});
  unsigned char body[64];
  unsigned char *at = write_bytes(body, 1, p->outbox, OUTBOX);
  parley_frame(c, REQUEST_ATTACH, FRAME_ATTACH, body, (size_t)(at - body));
}

static void error(struct conn *c, struct reader r) {
  struct field f = {0};
  char code[64] = "", text[256] = "";
  while (read_field(&r, &f)) {
    if (f.number == 1) snprintf(code, sizeof code, "%.*s", (int)f.length, f.data);
    else if (f.number == 2) snprintf(text, sizeof text, "%.*s", (int)f.length, f.data);
  }
  // A center that stops, or that has too much to do, is met again: the work knows when.
  if (strcmp(code, "busy") && strcmp(code, "shutting_down") && strcmp(code, "internal")) {
    fail("%s said of u%05u, ready %d, sent %llu: %s (%s)", driver->name, options.first + c->index, c->ready,
         (unsigned long long)c->sent, text, code);
  }
  conn_close(c);
  work->closed(c);
}

void parley_login_frame(struct conn *c, unsigned number, const unsigned char *body, size_t length) {
  struct reader r = {body, body + length};
  switch (number) {
  case FRAME_HELLO:
    return hello(c, r);
  case FRAME_WELCOME:
    return welcome(c, r);
  case FRAME_ATTACHED:
    return attached(c, r);
  case FRAME_ERROR:
    return error(c, r);
  case FRAME_REFUSED: {
    struct field f = {0};
    while (read_field(&r, &f)) {
      struct reader inner = {f.data, f.data + f.length};
      if (f.number == 3 && f.type == 2) return error(c, inner);
    }
    return;
  }
  default: // Presence, Waiting, Broadcasted: for people
    return;
  }
}
