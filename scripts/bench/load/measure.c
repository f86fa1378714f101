// Time, CPU and the distribution of hops; the one JSON object that a run prints.
#include "load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct histogram hops;
bool measuring;
uint64_t gaps;

static uint64_t began_ns, ended_ns;
static double own_cpu_began, own_cpu_ended;
static double server_cpu_began, server_cpu_ended;

uint64_t read_clock(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// 32 buckets for each power of two: within 3 %.
static unsigned bucket_of(uint64_t ns) {
  if (ns < 32) return (unsigned)ns;
  unsigned power = 63 - (unsigned)__builtin_clzll(ns);
  return (power - 4) * 32 + (unsigned)((ns >> (power - 5)) & 31);
}

static double bucket_ns(unsigned bucket) {
  if (bucket < 32) return bucket;
  unsigned power = bucket / 32 + 4;
  return (double)((uint64_t)(32 + bucket % 32) << (power - 5));
}

void histogram_add(struct histogram *h, uint64_t ns) {
  h->counts[bucket_of(ns)]++;
  h->total++;
}

double histogram_us(const struct histogram *h, double quantile) {
  uint64_t below = (uint64_t)((double)h->total * quantile);
  for (unsigned i = 0; i < sizeof h->counts / sizeof h->counts[0]; i++) {
    if (h->counts[i] > below) return bucket_ns(i) / 1000;
    below -= h->counts[i];
  }
  return 0;
}

static double own_cpu(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/** User and system time of the server, all its threads, in seconds (proc(5)). */
static double server_cpu(void) {
  if (options.server_pid == 0) return 0;
  char path[64], line[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", options.server_pid);
  FILE *f = fopen(path, "r");
  if (!f) return 0;
  size_t count = fread(line, 1, sizeof line - 1, f);
  fclose(f);
  line[count] = 0;
  const char *after_name = strrchr(line, ')');
  unsigned long user = 0, system = 0;
  if (after_name) sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
  return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

void measure_begin(void) {
  memset(&hops, 0, sizeof hops);
  gaps = 0;
  own_cpu_began = own_cpu();
  server_cpu_began = server_cpu();
  began_ns = now_ns = read_clock();
  measuring = true;
}

void measure_end(void) {
  measuring = false;
  ended_ns = read_clock();
  own_cpu_ended = own_cpu();
  server_cpu_ended = server_cpu();
}

double measured_seconds(void) { return (double)(ended_ns - began_ns) / 1e9; }

void report(uint64_t count, const char *format, ...) {
  double seconds = measured_seconds();
  double server = server_cpu_ended - server_cpu_began;
  printf("{\"driver\":\"%s\",\"work\":\"%s\",\"seconds\":%.3f,\"count\":%llu,\"perSecond\":%.1f", driver->name, work->name,
         seconds, (unsigned long long)count, (double)count / seconds);
  printf(",\"loadShare\":%.3f", (own_cpu_ended - own_cpu_began) / seconds);
  if (options.server_pid) {
    printf(",\"serverShare\":%.3f", server / seconds);
    if (count) printf(",\"serverUsEach\":%.3f", server * 1e6 / (double)count);
  }
  if (hops.total) printf(",\"p50Us\":%.1f,\"p99Us\":%.1f", histogram_us(&hops, 0.5), histogram_us(&hops, 0.99));
  printf(",\"gaps\":%llu", (unsigned long long)gaps);
  va_list list;
  va_start(list, format);
  vprintf(format, list);
  va_end(list);
  printf("}\n");
  fflush(stdout);
}

void fail(const char *format, ...) {
  va_list list;
  va_start(list, format);
  fprintf(stderr, "load: ");
  vfprintf(stderr, format, list);
  fprintf(stderr, "\n");
  va_end(list);
  exit(1);
}
