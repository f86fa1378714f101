// SCRAM-SHA-1 (RFC 5802, without channel binding), by which the server hashes no password: the client does, once.
// The server's own proof is not checked: that costs it nothing, and this is no client to be deceived.
#define _GNU_SOURCE
#include "xmpp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

enum { SALT_MAX = 64, CHALLENGE_MAX = 256, BASE64_MAX = 512 };

/** All accounts of the bench have one salt, so what is derived from it is kept as clients keep it. */
static struct {
  char salt[SALT_MAX * 2];
  int iterations;
  unsigned char client_key[SHA_DIGEST_LENGTH], stored_key[SHA_DIGEST_LENGTH];
} derived;

static void derive(const char *salt, int iterations) {
  if (iterations == derived.iterations && !strcmp(salt, derived.salt)) return;
  unsigned char raw[SALT_MAX * 2], salted[SHA_DIGEST_LENGTH];
  size_t length = strlen(salt);
  int bytes = length < sizeof derived.salt ? EVP_DecodeBlock(raw, (const unsigned char *)salt, (int)length) : -1;
  if (bytes < 0) fail("a salt that is none");
  // EVP_DecodeBlock counts the padding as bytes.
  for (size_t at = length; at > 0 && salt[at - 1] == '='; at--) bytes--;
  if (PKCS5_PBKDF2_HMAC(xmpp_password, -1, raw, bytes, iterations, EVP_sha1(), sizeof salted, salted) != 1) fail("no PBKDF2");
  HMAC(EVP_sha1(), salted, sizeof salted, (const unsigned char *)"Client Key", 10, derived.client_key, NULL);
  SHA1(derived.client_key, sizeof derived.client_key, derived.stored_key);
  strcpy(derived.salt, salt);
  derived.iterations = iterations;
}

static int first_bare(struct conn *c, char to[64]) {
  // Unlike any other's, which is all that is asked of it here.
  return sprintf(to, "n=u%05u,r=%016llx", options.first + c->index, (unsigned long long)c->begun_ns);
}

void scram_begin(struct conn *c) {
  char first[72] = "n,,", encoded[BASE64_MAX];
  int length = 3 + first_bare(c, first + 3);
  EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)first, length);
  out_text(c, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>%s</auth>", encoded);
}

/** element: `<challenge …>base64</challenge>` */
void scram_answer(struct conn *c, const unsigned char *element, size_t count) {
  const unsigned char *text = memchr(element, '>', count);
  const unsigned char *end = memrchr(element, '<', count);
  char challenge[CHALLENGE_MAX + 4] = "";
  if (!text || end <= text || end - text > CHALLENGE_MAX) fail("a challenge that is none");
  // EVP_DecodeBlock writes zeros for the padding, which end the text.
  EVP_DecodeBlock((unsigned char *)challenge, text + 1, (int)(end - text - 1));
  char nonce[CHALLENGE_MAX], salt[SALT_MAX * 2];
  int iterations;
  if (sscanf(challenge, "r=%255[^,],s=%127[^,],i=%d", nonce, salt, &iterations) != 3) fail("the server challenges %s", challenge);
  derive(salt, iterations);
  char bare[64], final[CHALLENGE_MAX + 16], signed_text[2 * CHALLENGE_MAX + 96];
  first_bare(c, bare);
  sprintf(final, "c=biws,r=%s", nonce);
  int length = sprintf(signed_text, "%s,%s,%s", bare, challenge, final);
  unsigned char proof[SHA_DIGEST_LENGTH];
  HMAC(EVP_sha1(), derived.stored_key, SHA_DIGEST_LENGTH, (const unsigned char *)signed_text, (size_t)length, proof, NULL);
  for (int i = 0; i < SHA_DIGEST_LENGTH; i++) proof[i] ^= derived.client_key[i];
  char encoded[32], answer[CHALLENGE_MAX + 64], outer[BASE64_MAX];
  EVP_EncodeBlock((unsigned char *)encoded, proof, sizeof proof);
  length = sprintf(answer, "%s,p=%s", final, encoded);
  EVP_EncodeBlock((unsigned char *)outer, (const unsigned char *)answer, length);
  out_text(c, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</response>", outer);
}
