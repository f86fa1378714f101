// Tickets: what a connection comes back with instead of a signature (docs/protocol.md, section 4).
#include "parley.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

static EVP_PKEY *center_key;

void ticket_center(const unsigned char *der, size_t bytes) {
  if (!center_key && !(center_key = d2i_PUBKEY(NULL, &der, (long)bytes))) fail("not a key in Hello");
}

static void hmac(const unsigned char key[SECRET], const void *bytes, size_t count, unsigned char out[SECRET]) {
  if (!HMAC(EVP_sha256(), key, SECRET, bytes, count, out, NULL)) fail("no HMAC");
}

/** ECDH, then HKDF (RFC 5869) with the token's hash as salt. */
static void derive(struct parley *p, EVP_PKEY *own) {
  static const unsigned char info[] = "parley ticket 1\1";
  unsigned char shared[SECRET], salt[SHA256_DIGEST_LENGTH], extracted[SECRET];
  size_t bytes = sizeof shared;
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(own, NULL);
  if (!context || EVP_PKEY_derive_init(context) != 1 || EVP_PKEY_derive_set_peer(context, center_key) != 1 ||
      EVP_PKEY_derive(context, shared, &bytes) != 1)
    fail("no secret");
  EVP_PKEY_CTX_free(context);
  SHA256((const unsigned char *)p->token, strlen(p->token), salt);
  hmac(salt, shared, bytes, extracted);
  hmac(extracted, info, sizeof info - 1, p->secret);
}

void ticket_take(struct parley *p, EVP_PKEY *own, const unsigned char *ticket, size_t bytes) {
  free(p->ticket);
  p->ticket = strndup((const char *)ticket, bytes);
  derive(p, own);
}

void ticket_mac(const struct parley *p, const unsigned char *proof, size_t bytes, unsigned char out[SECRET]) {
  hmac(p->secret, proof, bytes, out);
}

size_t ticket_psk(struct conn *c, char *identity, size_t room, unsigned char *key) {
  static const char use[] = "parley tls psk 1";
  const struct parley *p = c->own;
  if (!p->ticket || strlen(p->ticket) >= room) return 0;
  strcpy(identity, p->ticket);
  hmac(p->secret, use, sizeof use - 1, key);
  return SECRET;
}
