/* Preloaded into a center: makes its disk fail, and its wall clock wrong, whenever a test writes so into a file.
   The file that PARLEY_FAULTS names is mapped: 8 bytes of seconds that the clock is wrong by, then 4 that are not 0 while
   every fsync fails. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct faults {
  volatile int64_t seconds;
  volatile int32_t fsync_fails;
};

static struct faults none;
static struct faults *faults = &none;
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_gettimeofday)(struct timeval *, void *);

__attribute__((constructor)) static void begin(void) {
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
  real_gettimeofday = dlsym(RTLD_NEXT, "gettimeofday");
  const char *path = getenv("PARLEY_FAULTS");
  int file = path ? open(path, O_RDONLY) : -1;
  if (file < 0) return;
  void *map = mmap(NULL, sizeof(struct faults), PROT_READ, MAP_SHARED, file, 0);
  if (map != MAP_FAILED) faults = map;
  close(file);
}

int fsync(int fd) {
  if (faults->fsync_fails) {
    errno = EIO;
    return -1;
  }
  return real_fsync(fd);
}

int fdatasync(int fd) {
  if (faults->fsync_fails) {
    errno = EIO;
    return -1;
  }
  return real_fdatasync(fd);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  if (!real_clock_gettime) real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
  int result = real_clock_gettime(clock, time);
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) time->tv_sec += faults->seconds;
  return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  if (!real_gettimeofday) real_gettimeofday = dlsym(RTLD_NEXT, "gettimeofday");
  int result = real_gettimeofday(time, zone);
  time->tv_sec += faults->seconds;
  return result;
}

time_t time(time_t *into) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (into) *into = now.tv_sec;
  return now.tv_sec;
}
