// One says something to all others; when all have it, the next. Counted in deliveries.
#include "load.h"

static uint64_t delivered;

static void say_next(void) {
  while (conns[0].sent < options.inflight + delivered / (options.connections - 1)) driver->broadcast(&conns[0]);
}

static void received(struct conn *c, uint64_t stamp_ns) {
  (void)c;
  (void)stamp_ns;
  delivered++;
  if (delivered % (options.connections - 1) == 0) say_next();
}

static void closed(struct conn *c) { fail("%s closed connection %u", driver->name, c->index); }
static void ready(struct conn *c) { (void)c; }
static void settled(struct conn *c) { (void)c; }

static void run(void) {
  if (!driver->broadcast || options.connections < 2) fail("%s has no fan-out", driver->name);
  open_all();
  // Notices of so many logins are no part of the row.
  run_for(1, NULL);
  say_next();
  run_for(options.warmup_seconds, NULL);
  uint64_t before = delivered;
  measure_begin();
  run_for(options.seconds, NULL);
  measure_end();
  report(delivered - before, ",\"listeners\":%u", options.connections - 1);
}

const struct work fanout_work = {
    .name = "fanout", .run = run, .ready = ready, .received = received, .settled = settled, .closed = closed};
