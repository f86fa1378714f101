// Pairs in a closed loop: A has k messages on their way to B; when B gets one, A sends the next. The same for all
// systems. With --pace settled A waits for the server's word (Accepted or Stored, PUBACK) instead.
#include "load.h"

static bool stopped;

static void send_next(struct conn *a) {
  if (!stopped) driver->message(a, a->to);
}

static void received(struct conn *b, uint64_t stamp_ns) {
  (void)stamp_ns;
  if (options.pace == PACE_RECEIVED) send_next(&conns[b->to]);
}

static void settled(struct conn *a) {
  if (options.pace == PACE_RECEIVED || a->sent == 0) return;
  while (!stopped && a->sent - a->settled < options.inflight) send_next(a);
}

static void closed(struct conn *c) { fail("%s closed connection %u", driver->name, c->index); }
static void ready(struct conn *c) { (void)c; }

static uint64_t all_received(void) {
  uint64_t total = 0;
  for (unsigned i = 1; i < options.connections; i += 2) total += conns[i].received;
  return total;
}

static uint64_t all_settled(void) {
  uint64_t total = 0;
  for (unsigned i = 0; i < options.connections; i += 2) total += conns[i].settled;
  return total;
}

static bool all_arrived(void) {
  for (unsigned i = 0; i < options.connections; i += 2) {
    if (conns[i + 1].received < conns[i].sent) return false;
  }
  return true;
}

/** And is acknowledged. */
static bool all_done(void) { return !put_off && all_arrived(); }

static void run(void) {
  for (unsigned i = 0; i < options.connections; i++) conns[i].to = i ^ 1u;
  open_all();
  for (unsigned i = 0; i < options.connections; i += 2) {
    for (unsigned k = 0; k < options.inflight; k++) send_next(&conns[i]);
  }
  run_for(options.warmup_seconds, NULL);
  uint64_t received_before = all_received(), settled_before = all_settled();
  measure_begin();
  run_for(options.seconds, NULL);
  uint64_t received_in_time = all_received(), settled_in_time = all_settled();
  measure_end();
  // What is on its way arrives, so that nothing waits in a mailbox for the next run.
  stopped = true;
  run_for(1, all_done);
  report(received_in_time - received_before, ",\"settled\":%llu,\"lost\":%s",
         (unsigned long long)(settled_in_time - settled_before), all_arrived() ? "false" : "true");
}

const struct work relay_work = {
    .name = "relay", .run = run, .ready = ready, .received = received, .settled = settled, .closed = closed};
