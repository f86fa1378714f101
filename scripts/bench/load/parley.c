// Parley's messages, deliveries and receipts, by hand (docs/protocol.md, sections 6 and 7).
#include "parley.h"
#include "protobuf.h"

#include <stdlib.h>
#include <time.h>

static uint64_t wall_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME_COARSE, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void message(struct conn *c, unsigned to) {
  struct parley *p = c->own;
  uint64_t account = options.first_id + options.first + to;
  uint64_t number = p->base + c->sent + 1;
  uint64_t sent_at_ms = wall_ms();
  size_t body = options.body_bytes;
  size_t inner = 9 + 1 + varint_bytes(number) + 1 + varint_bytes(sent_at_ms) + 1 + varint_bytes(body) + body;
  size_t outer = 1 + varint_bytes(inner) + inner;
  unsigned char *start = out_room(c, 4 + outer);
  unsigned char *at = write_length(start, outer);
  at = write_varint(write_tag(at, FRAME_MESSAGE, 2), inner);
  at = write_tag(at, 1, 1);
  memcpy(at, &account, 8);
  at = write_number(at + 8, 8, number);
  at = write_number(at, 9, sent_at_ms);
  at = write_varint(write_tag(at, 10, 2), body);
  body_write(c, at);
  out_add(c, 4 + outer);
}

static void broadcast(struct conn *c) {
  size_t body = options.body_bytes;
  unsigned char bytes[BODY_MAX + 32];
  unsigned char *at = write_varint(write_tag(bytes, 1, 2), body);
  body_write(c, at);
  at = write_number(at + body, 2, wall_ms());
  parley_frame(c, (unsigned)c->sent, FRAME_BROADCAST, bytes, (size_t)(at - bytes));
}

/** bodyField: 10 in Deliver, 4 in BroadcastDeliver. */
static void deliver(struct conn *c, struct reader r, unsigned body_field) {
  struct parley *p = c->own;
  struct field f = {0};
  while (read_field(&r, &f)) {
    if (f.number == 1 && f.type == 0) p->position = f.value;
    else if (f.number == body_field && f.type == 2) body_read(c, f.data, f.length);
  }
}

static void receipt(struct conn *c, struct reader r, bool stored) {
  struct parley *p = c->own;
  struct field f = {0};
  uint64_t number = 0;
  while (read_field(&r, &f)) {
    if (f.number == 2) number = f.value;
  }
  if (number <= p->base) return;
  uint64_t settled = number - p->base;
  if (stored && settled > c->stored) c->stored = settled;
  if (settled <= c->settled) return;
  c->settled = settled;
  work->settled(c);
}

static void frame(struct conn *c, const unsigned char *bytes, size_t length) {
  struct reader r = {bytes, bytes + length};
  struct field f = {0};
  while (read_field(&r, &f)) {
    if (f.type != 2) continue;
    struct reader body = {f.data, f.data + f.length};
    switch (f.number) {
    case FRAME_DELIVER:
      deliver(c, body, 10);
      break;
    case FRAME_ACCEPTED:
    case FRAME_STORED:
      receipt(c, body, f.number == FRAME_STORED);
      break;
    case FRAME_BROADCAST_DELIVER:
      deliver(c, body, 4);
      break;
    default:
      parley_login_frame(c, f.number, f.data, f.length);
    }
    if (c->state == CONN_CLOSED) return;
  }
}

static size_t parse(struct conn *c, const unsigned char *bytes, size_t count) {
  size_t at = 0;
  while (count - at >= 4) {
    size_t length = read_length(bytes + at);
    if (count - at - 4 < length) break;
    frame(c, bytes + at + 4, length);
    if (c->state == CONN_CLOSED) return 0;
    at += 4 + length;
  }
  return at;
}

void parley_frame(struct conn *c, unsigned request, unsigned number, const unsigned char *body, size_t length) {
  unsigned char *start = out_room(c, length + 32);
  size_t outer = (request ? 1 + varint_bytes(request) : 0) + varint_bytes(number << 3) + varint_bytes(length) + length;
  unsigned char *at = write_length(start, outer);
  if (request) at = write_number(at, 1, request);
  at = write_bytes(at, number, body, length);
  out_add(c, (size_t)(at - start));
}

static void heartbeat(struct conn *c) { parley_frame(c, 0, FRAME_HEARTBEAT, NULL, 0); }

const struct driver parley_driver = {.name = "parley",
                                     .alpn = "parley/1",
                                     .prepare = parley_prepare,
                                     .psk = ticket_psk,
                                     .start = parley_hello,
                                     .parse = parse,
                                     .message = message,
                                     .broadcast = broadcast,
                                     .acknowledge = parley_acknowledge,
                                     .turn = parley_turn,
                                     .heartbeat = heartbeat};
