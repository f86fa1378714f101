// Logins: some connections at once, each of which connects, logs in, is ready, closes and begins again.
#include "load.h"

#include <stdlib.h>

static uint64_t logins;
static struct conn **again;
static unsigned again_count;
static bool looping;

static void ready(struct conn *c) {
  if (!looping) return;
  logins++;
  if (measuring) histogram_add(&hops, now_ns - c->begun_ns);
  conn_close(c);
  again[again_count++] = c;
}

static void closed(struct conn *c) {
  if (!looping) fail("%s closed connection %u", driver->name, c->index);
  again[again_count++] = c;
}

static void received(struct conn *c, uint64_t stamp_ns) {
  (void)c;
  (void)stamp_ns;
}
static void settled(struct conn *c) { (void)c; }

static void loop_for(double seconds) {
  uint64_t until = read_clock() + (uint64_t)(seconds * 1e9);
  while (now_ns < until) {
    unsigned count = again_count;
    again_count = 0;
    struct conn **now = malloc(count * sizeof *now + 1);
    if (!now) fail("no memory");
    for (unsigned i = 0; i < count; i++) now[i] = again[i];
    for (unsigned i = 0; i < count; i++) conn_open(now[i]);
    free(now);
    io_turn(10);
  }
}

static void run(void) {
  again = calloc(2 * options.connections, sizeof *again);
  if (!again) fail("no memory");
  if (!options.by_password) {
    // Parley's first login, which is by password, brings the token.
    open_all();
    for (unsigned i = 0; i < options.connections; i++) conn_close(&conns[i]);
    io_turn(0);
  }
  looping = true;
  for (unsigned i = 0; i < options.connections; i++) again[again_count++] = &conns[i];
  loop_for(options.warmup_seconds);
  uint64_t before = logins;
  measure_begin();
  loop_for(options.seconds);
  measure_end();
  report(logins - before, ",\"atOnce\":%u", options.connections);
}

const struct work login_work = {
    .name = "login", .run = run, .ready = ready, .received = received, .settled = settled, .closed = closed};
