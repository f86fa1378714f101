// NATS core: everybody subscribes to a subject of its own (https://docs.nats.io/reference/reference-protocols/nats-protocol).
#include "lines.h"
#include "load.h"

#include <stdio.h>
#include <stdlib.h>

static void start(struct conn *c) {
  out_text(c, "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"c\",\"version\":\"1\"}\r\nSUB m.%05u 1\r\n",
           options.first + c->index);
  // The one that says something to all does not hear itself.
  if (c->index != 0) out_text(c, "SUB all 2\r\n");
  out_text(c, "PING\r\n");
}

/** MSG <subject> <sid> [reply-to] <#bytes>: the number of bytes. */
static size_t payload_bytes(const unsigned char *line, long length) {
  long at = length;
  while (at > 0 && line[at - 1] != ' ') at--;
  size_t bytes = 0;
  for (; at < length; at++) bytes = bytes * 10 + (size_t)(line[at] - '0');
  return bytes;
}

static size_t parse(struct conn *c, const unsigned char *bytes, size_t count) {
  size_t at = 0, whole = 0;
  for (;;) {
    const unsigned char *line = bytes + at;
    long length = line_length(line, count - at, &whole);
    if (length < 0) return at;
    if (line[0] == 'M') {
      size_t body = payload_bytes(line, length);
      if (count - at - whole < body + 2) return at;
      body_read(c, line + whole, body);
      whole += body + 2;
    } else if (begins(line, (size_t)length, "PING")) out_text(c, "PONG\r\n");
    else if (begins(line, (size_t)length, "PONG") && !c->ready) {
      c->ready = true;
      work->ready(c);
      if (c->state == CONN_CLOSED) return 0;
    } else if (line[0] == '-') fail("nats says %.*s", (int)length, line);
    at += whole;
  }
}

static void publish(struct conn *c, const char *subject) {
  unsigned char *to = out_room(c, options.body_bytes + 64);
  int head = sprintf((char *)to, "PUB %s %u\r\n", subject, options.body_bytes);
  body_write(c, to + head);
  memcpy(to + head + options.body_bytes, "\r\n", 2);
  out_add(c, (size_t)head + options.body_bytes + 2);
}

static void message(struct conn *c, unsigned to) {
  char subject[16];
  snprintf(subject, sizeof subject, "m.%05u", options.first + to);
  publish(c, subject);
}

static void broadcast(struct conn *c) { publish(c, "all"); }

const struct driver nats_driver = {
    .name = "nats", .start = start, .parse = parse, .message = message, .broadcast = broadcast};
