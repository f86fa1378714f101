// When a Parley peer acknowledges: at once, or, of a dense stream from one sender who does not wait for it, a moment later
// and for many at a time (docs/protocol.md, section 7; peer/acks.ts does the same).
#include "parley.h"
#include "protobuf.h"

#include <stdlib.h>

enum { MOST_MESSAGES = 32 };
static const uint64_t latest_ns = 3000000, pause_ns = 2000000;
static const uint64_t first_try_ns = 20000000, longest_try_ns = 1000000000;

static struct conn **late;
static unsigned late_count;

static void acknowledge_now(struct conn *c) {
  struct parley *p = c->own;
  p->ack.late_since_ns = 0;
  p->ack.received = c->received;
  if (p->position == p->acked) return;
  p->acked = p->position;
  unsigned bytes = varint_bytes(p->position);
  unsigned char *start = out_room(c, 24);
  unsigned char *at = write_length(start, 3 + bytes);
  at = write_varint(write_tag(at, FRAME_ACK, 2), 1 + bytes);
  at = write_number(at, 1, p->position);
  out_add(c, (size_t)(at - start));
}

void parley_acknowledge(struct conn *c) {
  struct parley *p = c->own;
  bool is_dense = now_ns - p->ack.came_ns < latest_ns;
  p->ack.came_ns = now_ns;
  if (!p->ack.may_wait && is_dense && now_ns >= p->ack.next_try_ns) {
    p->ack.may_wait = true;
    if (p->ack.try_ns == 0) p->ack.try_ns = first_try_ns;
  }
  if (!p->ack.may_wait) return acknowledge_now(c);
  if (c->received - p->ack.received >= MOST_MESSAGES) {
    p->ack.try_ns = first_try_ns;
    return acknowledge_now(c);
  }
  if (p->ack.late_since_ns == 0) p->ack.late_since_ns = now_ns;
  if (p->ack.is_listed) return;
  if (!late) late = calloc(options.connections, sizeof *late);
  if (!late) fail("no memory");
  p->ack.is_listed = true;
  late[late_count++] = c;
}

bool parley_turn(void) {
  unsigned kept = 0;
  for (unsigned i = 0; i < late_count; i++) {
    struct conn *c = late[i];
    struct parley *p = c->own;
    uint64_t since_ns = p->ack.late_since_ns;
    if (c->state == CONN_OPEN && since_ns != 0 && now_ns - since_ns < latest_ns) {
      late[kept++] = c;
      continue;
    }
    p->ack.is_listed = false;
    if (c->state != CONN_OPEN || since_ns == 0) continue;
    if (now_ns - p->ack.came_ns >= pause_ns) {
      p->ack.may_wait = false;
      p->ack.next_try_ns = now_ns + p->ack.try_ns;
      p->ack.try_ns = 2 * p->ack.try_ns < longest_try_ns ? 2 * p->ack.try_ns : longest_try_ns;
    } else p->ack.try_ns = first_try_ns;
    acknowledge_now(c);
  }
  late_count = kept;
  return late_count > 0;
}
