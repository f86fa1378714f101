// The bare relay: frames of a 4-byte length and a 4-byte destination; everybody says once which number it is.
// A frame to everybody has the destination ffffffff.
#include "load.h"
#include "protobuf.h"

#include <string.h>

static void start(struct conn *c) {
  unsigned char *to = out_room(c, 8);
  write_length(write_length(to, 4), c->index);
  out_add(c, 8);
  // Nothing answers: what is sent before the others are there is dropped, so a fence of one's own comes back.
  to = out_room(c, 8);
  write_length(write_length(to, 4), c->index);
  out_add(c, 8);
}

static size_t parse(struct conn *c, const unsigned char *bytes, size_t count) {
  size_t at = 0;
  while (count - at >= 4) {
    size_t length = read_length(bytes + at);
    if (count - at - 4 < length) break;
    if (length > 4) body_read(c, bytes + at + 8, length - 4);
    else if (!c->ready) {
      c->ready = true;
      work->ready(c);
    }
    at += 4 + length;
  }
  return at;
}

static void add(struct conn *c, uint32_t destination) {
  size_t length = 4 + options.body_bytes;
  unsigned char *to = out_room(c, 4 + length);
  body_write(c, write_length(write_length(to, length), destination));
  out_add(c, 4 + length);
}

static void message(struct conn *c, unsigned to) { add(c, to); }
static void broadcast(struct conn *c) { add(c, 0xffffffff); }

const struct driver relay_driver = {
    .name = "relay", .start = start, .parse = parse, .message = message, .broadcast = broadcast};
