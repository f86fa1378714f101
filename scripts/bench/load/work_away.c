// Mail for those who are away: senders to recipients that are not there, in a closed loop on the server's word;
// then the recipients come back and take everything. Where the server must know them first, they visit.
#include "load.h"

#include <stdio.h>

static void send_next(struct conn *a) {
  driver->message(a, a->to);
  if (driver->fence) driver->fence(a);
}

static void settled(struct conn *a) {
  if (a->sent == 0) return;
  while (measuring && a->sent - a->settled < options.inflight) send_next(a);
}

static void closed(struct conn *c) { fail("%s closed connection %u", driver->name, c->index); }
static void ready(struct conn *c) { (void)c; }
static void received(struct conn *c, uint64_t stamp_ns) {
  (void)c;
  (void)stamp_ns;
}

static uint64_t sum_settled(void) {
  uint64_t total = 0;
  for (unsigned i = 0; i < options.connections; i++) total += conns[i].settled;
  return total;
}

static bool all_settled(void) {
  for (unsigned i = 0; i < options.connections; i++) {
    if (conns[i].settled < conns[i].sent) return false;
  }
  return true;
}

static void run_away(void) {
  for (unsigned i = 0; i < options.connections; i++) conns[i].to = options.connections + i;
  open_all();
  measure_begin();
  for (unsigned i = 0; i < options.connections; i++) {
    for (unsigned k = 0; k < options.inflight; k++) send_next(&conns[i]);
  }
  run_for(options.seconds, NULL);
  uint64_t in_time = sum_settled();
  measure_end();
  // What is still on its way will wait for the recipients as well.
  run_for(options.seconds, all_settled);
  report(in_time, ",\"settled\":%llu", (unsigned long long)sum_settled());
}

static uint64_t sum_received(void) {
  uint64_t total = 0;
  for (unsigned i = 0; i < options.connections; i++) total += conns[i].received;
  return total;
}

static bool all_received(void) { return sum_received() >= options.expected; }

static void run_drain(void) {
  measure_begin();
  for (unsigned i = 0; i < options.connections; i++) conn_open(&conns[i]);
  run_for(options.seconds, all_received);
  measure_end();
  // The acknowledgements of the last ones are to reach the server.
  run_for(1, NULL);
  hops.total = 0;
  report(sum_received(), ",\"expected\":%llu", (unsigned long long)options.expected);
}

static unsigned visits;

static void ready_to_leave(struct conn *c) {
  visits++;
  conn_close(c);
}

/** Everybody comes once, so that they are known, and leaves: some at a time, so that the server needs little for it. */
static void run_visit(void) {
  unsigned opened = 0;
  while (visits < options.connections) {
    while (opened < options.connections && opened - visits < options.at_once) conn_open(&conns[opened++]);
    io_turn(100);
  }
  printf("{\"driver\":\"%s\",\"work\":\"visit\",\"connections\":%u}\n", driver->name, visits);
}

const struct work visit_work = {.name = "visit",
                                .run = run_visit,
                                .ready = ready_to_leave,
                                .received = received,
                                .settled = settled,
                                .closed = closed};
const struct work away_work = {
    .name = "away", .run = run_away, .ready = ready, .received = received, .settled = settled, .closed = closed};
const struct work drain_work = {
    .name = "drain", .run = run_drain, .ready = ready, .received = received, .settled = settled, .closed = closed};
