// What the messages say: when they were sent and the how-manieth they are, in text that every protocol carries.
#include "load.h"

#include <string.h>

static const char digits[] = "0123456789abcdef";

static void hex_write(unsigned char *to, uint64_t value, int count) {
  for (int i = count - 1; i >= 0; i--) {
    to[i] = (unsigned char)digits[value & 15];
    value >>= 4;
  }
}

static uint64_t hex_read(const unsigned char *from, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; i++) {
    unsigned char digit = from[i];
    value = value << 4 | (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
  }
  return value;
}

void body_write(struct conn *c, unsigned char *to) {
  hex_write(to, now_ns, 16);
  hex_write(to + 16, ++c->sent, 8);
  memset(to + BODY_HEAD, 'x', options.body_bytes - BODY_HEAD);
}

void body_read(struct conn *c, const unsigned char *body, size_t count) {
  if (count < BODY_HEAD) fail("a body of %zu bytes arrived", count);
  uint64_t stamp = hex_read(body, 16);
  uint64_t sequence = hex_read(body + 16, 8);
  c->to_ack = true;
  // Left in the mailbox by an earlier run: only a drain is about such.
  if (stamp < started_ns && !options.expected) return;
  if (sequence != c->last_sequence + 1) gaps++;
  c->last_sequence = sequence;
  c->received++;
  if (measuring) histogram_add(&hops, now_ns > stamp ? now_ns - stamp : 0);
  work->received(c, stamp);
}
