// Many connections: idle ones, whose memory the bench reads; ones that stop reading; and all of them coming back after the
// server was killed. They tell the bench on stdout when they are there, and go on when it closes stdin or the server goes.
#include "load.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// docs/protocol.md, section 10.
static const double first_wait_seconds = 0.2, longest_wait_seconds = 10;

static enum { COMING, THERE, BACK } phase;
static unsigned ready_count;
static uint64_t lost_ns, first_back_ns;
static uint64_t reconnects;

static bool stdin_closed(void) {
  struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
  char byte;
  return poll(&p, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

static void say_ready(void) {
  printf("{\"event\":\"ready\"}\n");
  fflush(stdout);
}

static void ready(struct conn *c) {
  ready_count++;
  c->tries = 0;
  if (phase == BACK && first_back_ns == 0) first_back_ns = now_ns;
}

static void received(struct conn *c, uint64_t stamp_ns) {
  (void)c;
  (void)stamp_ns;
}
static void settled(struct conn *c) { (void)c; }

static void closed_idle(struct conn *c) { fail("%s closed connection %u", driver->name, c->index); }

static void run_until_stdin_closes(void) {
  say_ready();
  while (!stdin_closed()) {
    io_turn(100);
    keep_alive();
  }
  printf("{\"driver\":\"%s\",\"work\":\"%s\",\"connections\":%u}\n", driver->name, work->name, ready_count);
}

static void run_idle(void) {
  open_all();
  run_until_stdin_closes();
}

static void run_deaf(void) {
  open_all();
  deaf = true;
  run_until_stdin_closes();
}

static void closed_back(struct conn *c) {
  if (phase == COMING) fail("%s closed connection %u before all were there", driver->name, c->index);
  if (phase == THERE) {
    phase = BACK;
    ready_count = 0;
    lost_ns = now_ns;
    measure_begin();
  }
  double wait = first_wait_seconds * (double)(1u << (c->tries < 8 ? c->tries : 8));
  if (wait > longest_wait_seconds) wait = longest_wait_seconds;
  c->tries++;
  reconnects++;
  wait *= 0.5 + 0.5 * drand48();
  c->due_ns = now_ns + (uint64_t)(wait * 1e9);
}

static void run_back(void) {
  open_all();
  for (unsigned i = 0; i < options.connections; i++) conns[i].due_ns = UINT64_MAX;
  phase = THERE;
  say_ready();
  uint64_t next_look_ns = 0, until_ns = UINT64_MAX;
  while (phase == THERE || ready_count < options.connections) {
    io_turn(2);
    if (phase == BACK && until_ns == UINT64_MAX) until_ns = now_ns + (uint64_t)(options.seconds * 1e9);
    if (now_ns > until_ns) break;
    keep_alive();
    if (now_ns < next_look_ns) continue;
    next_look_ns = now_ns + 2000000;
    for (unsigned i = 0; i < options.connections; i++) {
      if (conns[i].due_ns > now_ns) continue;
      conns[i].due_ns = UINT64_MAX;
      conn_open(&conns[i]);
    }
  }
  measure_end();
  report(ready_count, ",\"connections\":%u,\"reconnects\":%llu,\"firstBackSeconds\":%.3f", options.connections,
         (unsigned long long)reconnects, first_back_ns ? (double)(first_back_ns - lost_ns) / 1e9 : -1);
}

const struct work idle_work = {
    .name = "idle", .run = run_idle, .ready = ready, .received = received, .settled = settled, .closed = closed_idle};
const struct work deaf_work = {
    .name = "deaf", .run = run_deaf, .ready = ready, .received = received, .settled = settled, .closed = closed_idle};
const struct work back_work = {
    .name = "back", .run = run_back, .ready = ready, .received = received, .settled = settled, .closed = closed_back};
