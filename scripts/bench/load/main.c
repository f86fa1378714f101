// A load generator for message servers: one thread, epoll, one protocol and one row a run, one JSON object out.
// scripts/bench/bench.ts compiles it and says what each row means; docs/performance.md has the results.
#define _GNU_SOURCE
#include "load.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct options options = {.host = "127.0.0.1",
                          .connections = 100,
                          .inflight = 1,
                          .body_bytes = 100,
                          .seconds = 2,
                          .warmup_seconds = 0.5,
                          .at_once = 64};
const struct driver *driver;
const struct work *work;

static const struct driver *const drivers[] = {&relay_driver, &parley_driver, &nats_driver,
                                               &irc_driver,   &mqtt_driver,   &xmpp_driver};
static const struct work *const works[] = {&relay_work,  &visit_work, &away_work, &drain_work,
                                           &fanout_work, &login_work, &back_work,  &idle_work, &deaf_work};
/** Every row ends long before. */
static const double longest_seconds = 300;
static const double heartbeat_seconds = 8;

enum { TLS = 256, PORT, CONNECTIONS, FIRST, INFLIGHT, BODY, SECONDS, WARMUP, PACE, HISTORY, FIRST_ID, BY_PASSWORD, PERSISTENT, DELAYED_ACKS, SERVER, EXPECTED, AT_ONCE };
static const struct option names[] = {{"port", 1, 0, PORT},
                                      {"tls", 0, 0, TLS},
                                      {"connections", 1, 0, CONNECTIONS},
                                      {"first", 1, 0, FIRST},
                                      {"inflight", 1, 0, INFLIGHT},
                                      {"body", 1, 0, BODY},
                                      {"seconds", 1, 0, SECONDS},
                                      {"warmup", 1, 0, WARMUP},
                                      {"pace", 1, 0, PACE},
                                      {"history", 1, 0, HISTORY},
                                      {"first-id", 1, 0, FIRST_ID},
                                      {"by-password", 0, 0, BY_PASSWORD},
                                      {"persistent", 0, 0, PERSISTENT},
                                      {"delayed-acks", 0, 0, DELAYED_ACKS},
                                      {"server", 1, 0, SERVER},
                                      {"expected", 1, 0, EXPECTED},
                                      {"at-once", 1, 0, AT_ONCE},
                                      {0, 0, 0, 0}};

static void read_options(int argc, char **argv) {
  for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    switch (option) {
    case PORT: options.port = atoi(optarg); break;
    case TLS: options.tls = true; break;
    case CONNECTIONS: options.connections = (unsigned)atoi(optarg); break;
    case FIRST: options.first = (unsigned)atoi(optarg); break;
    case INFLIGHT: options.inflight = (unsigned)atoi(optarg); break;
    case BODY: options.body_bytes = (unsigned)atoi(optarg); break;
    case SECONDS: options.seconds = atof(optarg); break;
    case WARMUP: options.warmup_seconds = atof(optarg); break;
    case PACE: options.pace = strcmp(optarg, "settled") ? PACE_RECEIVED : PACE_SETTLED; break;
    case HISTORY: options.history = optarg; break;
    case FIRST_ID: options.first_id = strtoull(optarg, NULL, 10); break;
    case BY_PASSWORD: options.by_password = true; break;
    case PERSISTENT: options.persistent = true; break;
    case DELAYED_ACKS: options.delayed_acks = true; break;
    case SERVER: options.server_pid = atoi(optarg); break;
    case EXPECTED: options.expected = strtoull(optarg, NULL, 10); break;
    case AT_ONCE: options.at_once = (unsigned)atoi(optarg); break;
    default: exit(2);
    }
  }
  if (options.body_bytes < BODY_HEAD || options.body_bytes > BODY_MAX) fail("--body is from %d to %d", BODY_HEAD, BODY_MAX);
  if (options.connections == 0 || options.port == 0) fail("--connections and --port are needed");
}

void keep_alive(void) {
  static uint64_t next_ns;
  if (!driver->heartbeat || now_ns < next_ns) return;
  next_ns = now_ns + (uint64_t)(heartbeat_seconds * 1e9);
  for (unsigned i = 0; i < options.connections; i++) {
    if (conns[i].ready) driver->heartbeat(&conns[i]);
  }
}

void open_all(void) {
  uint64_t until = read_clock() + (uint64_t)(longest_seconds * 1e9);
  unsigned opened = 0, ready = 0;
  while (ready < options.connections) {
    while (opened < options.connections && opened - ready < options.at_once) conn_open(&conns[opened++]);
    io_turn(100);
    keep_alive();
    while (ready < opened && conns[ready].ready) ready++;
    if (now_ns > until) fail("%u of %u connections were ready in time", ready, options.connections);
  }
}

void run_for(double seconds, bool (*stop)(void)) {
  uint64_t until = read_clock() + (uint64_t)(seconds * 1e9);
  do io_turn(10);
  while (now_ns < until && !(stop && stop()));
}

int main(int argc, char **argv) {
  if (argc < 3) fail("usage: load <driver> <work> --port N [options]");
  for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++) {
    if (!strcmp(drivers[i]->name, argv[1])) driver = drivers[i];
  }
  for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
    if (!strcmp(works[i]->name, argv[2])) work = works[i];
  }
  if (!driver || !work) fail("there is no driver %s or no work %s", argv[1], argv[2]);
  read_options(argc - 2, argv + 2);
  signal(SIGPIPE, SIG_IGN);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  io_start();
  if (driver->prepare) driver->prepare();
  work->run();
  return 0;
}
