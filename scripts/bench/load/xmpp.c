// XMPP (RFC 6120, 6121), over TLS from the first byte (XEP-0368) where asked: messages of type chat. SCRAM, or PLAIN (--by-password),
// for which the server hashes the password itself. Where mail for the absent is measured, stream management (XEP-0198) tells
// what the server has handled: the nearest that XMPP has to "accepted".
#include "xmpp.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

enum step { FEATURES, AUTHENTICATED, RESTARTED, BOUND, MANAGED, THERE };
struct xmpp {
  enum step step;
  uint64_t handled_before; // what the server had counted when the first message was sent
};

static const char domain[] = "localhost";
const char xmpp_password[] = "bench password";
static const char stream_open[] = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
                                  "xmlns:stream='http://etherx.jabber.org/streams'>";

static void prepare(void) {
  for (unsigned i = 0; i < options.connections; i++) {
    conns[i].own = calloc(1, sizeof(struct xmpp));
    if (!conns[i].own) fail("no memory");
  }
}

static void start(struct conn *c) {
  struct xmpp *x = c->own;
  x->step = FEATURES;
  out_text(c, "%s", stream_open);
}

static void authenticate(struct conn *c) {
  if (!options.by_password) return scram_begin(c);
  unsigned char plain[64];
  char encoded[128];
  int length = snprintf((char *)plain, sizeof plain, "%cu%05u%c%s", 0, options.first + c->index, 0, xmpp_password);
  EVP_EncodeBlock((unsigned char *)encoded, plain, length);
  out_text(c, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>", encoded);
}

static void be_there(struct conn *c) {
  out_text(c, "<presence/><iq type='get' id='there'><ping xmlns='urn:xmpp:ping'/></iq>");
}

/** The whole element at the front: its length, or 0 while it is not whole. */
static size_t element(const unsigned char *bytes, size_t count) {
  if (count < 2) return 0;
  size_t name = 1;
  while (name < count && bytes[name] != ' ' && bytes[name] != '>' && bytes[name] != '/') name++;
  const unsigned char *end = memchr(bytes, '>', count);
  if (!end || name == count) return 0;
  size_t head = (size_t)(end - bytes) + 1;
  // The stream's own element stays open; declarations and empty elements end with their tag.
  if (bytes[1] == '?' || bytes[1] == '/' || begins(bytes, count, "<stream:stream") || end[-1] == '/') return head;
  char closing[40];
  if (name > sizeof closing - 4) fail("an element has a long name");
  int length = snprintf(closing, sizeof closing, "</%.*s>", (int)name - 1, bytes + 1);
  const unsigned char *close = memmem(bytes + head, count - head, closing, (size_t)length);
  return close ? (size_t)(close - bytes) + (size_t)length : 0;
}

static int has(const unsigned char *bytes, size_t count, const char *text) {
  return memmem(bytes, count, text, strlen(text)) != NULL;
}

static int has_id(const unsigned char *bytes, size_t count, const char *id) {
  char one[24], two[24];
  snprintf(one, sizeof one, "id='%s'", id);
  snprintf(two, sizeof two, "id=\"%s\"", id);
  return has(bytes, count, one) || has(bytes, count, two);
}

static void log_in(struct conn *c, const unsigned char *bytes, size_t count) {
  struct xmpp *x = c->own;
  if (begins(bytes, count, "<failure") || begins(bytes, count, "<stream:error")) {
    fail("the server says %.*s", (int)count, bytes);
  }
  if (x->step == FEATURES && begins(bytes, count, "<stream:features")) {
    x->step = AUTHENTICATED;
    authenticate(c);
  } else if (x->step == AUTHENTICATED && begins(bytes, count, "<challenge")) scram_answer(c, bytes, count);
  else if (x->step == AUTHENTICATED && begins(bytes, count, "<success")) {
    x->step = RESTARTED;
    out_text(c, "%s", stream_open);
  } else if (x->step == RESTARTED && begins(bytes, count, "<stream:features")) {
    x->step = BOUND;
    out_text(c, "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>b</resource></bind></iq>");
  } else if (x->step == BOUND && has_id(bytes, count, "bind")) {
    x->step = MANAGED;
    if (work == &away_work) out_text(c, "<enable xmlns='urn:xmpp:sm:3'/>");
    else be_there(c);
  } else if (x->step == MANAGED && begins(bytes, count, "<enabled")) be_there(c);
  else if (x->step == MANAGED && has_id(bytes, count, "there")) {
    x->step = THERE;
    c->ready = true;
    // The server has counted presence and ping.
    x->handled_before = 2;
    work->ready(c);
  }
}

static void take_message(struct conn *c, const unsigned char *bytes, size_t count) {
  static const char open[] = "<body>", close[] = "</body>";
  const unsigned char *body = memmem(bytes, count, open, sizeof open - 1);
  if (!body) return;
  body += sizeof open - 1;
  const unsigned char *end = memmem(body, count - (size_t)(body - bytes), close, sizeof close - 1);
  if (end) body_read(c, body, (size_t)(end - body));
}

static void take_handled(struct conn *c, const unsigned char *bytes, size_t count) {
  struct xmpp *x = c->own;
  const unsigned char *h = memmem(bytes, count, " h=", 3);
  if (!h) return;
  uint64_t handled = strtoull((const char *)h + 4, NULL, 10);
  if (handled < x->handled_before + c->settled) return;
  c->settled = handled - x->handled_before;
  work->settled(c);
}

static size_t parse(struct conn *c, const unsigned char *bytes, size_t count) {
  struct xmpp *x = c->own;
  for (size_t at = 0;;) {
    while (at < count && bytes[at] != '<') at++;
    size_t length = element(bytes + at, count - at);
    if (length == 0) return at;
    // Mail that waited comes with the presence, before the ping is answered.
    if (begins(bytes + at, length, "<message")) take_message(c, bytes + at, length);
    else if (x->step != THERE) log_in(c, bytes + at, length);
    else if (begins(bytes + at, length, "<a ")) take_handled(c, bytes + at, length);
    if (c->state == CONN_CLOSED) return 0;
    at += length;
  }
}

static void add(struct conn *c, const char *to) {
  static const char tail[] = "</body></message>";
  unsigned char *start = out_room(c, options.body_bytes + 128);
  int head = sprintf((char *)start, "<message to='%s' type='chat'><body>", to);
  body_write(c, start + head);
  memcpy(start + head + options.body_bytes, tail, sizeof tail - 1);
  out_add(c, (size_t)head + options.body_bytes + sizeof tail - 1);
}

static void message(struct conn *c, unsigned to) {
  char address[32];
  snprintf(address, sizeof address, "u%05u@%s", options.first + to, domain);
  add(c, address);
}

/** XEP-0133's announcement, by an administrator. */
static void broadcast(struct conn *c) { add(c, "localhost/announce/online"); }

static void fence(struct conn *c) { out_text(c, "<r xmlns='urn:xmpp:sm:3'/>"); }

const struct driver xmpp_driver = {.name = "xmpp",
                                   .alpn = "xmpp-client",
                                   .prepare = prepare,
                                   .start = start,
                                   .parse = parse,
                                   .message = message,
                                   .broadcast = broadcast,
                                   .fence = fence};
