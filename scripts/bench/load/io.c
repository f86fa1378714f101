// Sockets in one epoll loop: one read an event into a shared buffer, one write a connection and turn.
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, EVENTS = 1024, HISTORY_BYTES = 64 * 1024 * 1024, TEXT_MAX = 4096 };

struct conn *conns;
uint64_t now_ns, started_ns;
bool deaf, put_off;

static int poll_fd;
static int history_fd = -1;
static struct sockaddr_in address;
static unsigned char *shared;
static struct conn **dirty, **to_ack;
static size_t dirty_count, to_ack_count;
static unsigned char *shown;
static size_t shown_bytes;

void io_start(void) {
  poll_fd = epoll_create1(EPOLL_CLOEXEC);
  shared = malloc(READ_BYTES);
  conns = calloc(options.connections, sizeof *conns);
  dirty = calloc(2 * options.connections, sizeof *dirty);
  to_ack = calloc(options.connections, sizeof *to_ack);
  if (!shared || !conns || !dirty || !to_ack) fail("no memory");
  for (unsigned i = 0; i < options.connections; i++) conns[i].index = i;
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)options.port);
  if (inet_pton(AF_INET, options.host, &address.sin_addr) != 1) fail("%s is not an IPv4 address", options.host);
  if (options.history) {
    history_fd = open(options.history, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    shown = malloc(HISTORY_BYTES);
    if (history_fd < 0 || !shown) fail("cannot write %s", options.history);
  }
  if (options.tls) tls_start();
  now_ns = started_ns = read_clock();
}

/** Edge-triggered: one look at a socket for each time that something came, and nothing to change when a write waits. */
static void watch(struct conn *c) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
  if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0) fail("epoll: %s", strerror(errno));
}

void conn_open(struct conn *c) {
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) fail("socket: %s", strerror(errno));
  int on = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // The cheapest congestion control: there is no network here, and the CPU of this program limits what it can load.
  setsockopt(c->fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
  // No TIME_WAIT: rows open thousands of connections from one address.
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  c->begun_ns = now_ns;
  c->wants_write = false;
  c->state = CONN_CONNECTING;
  c->ready = false;
  if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
    close(c->fd);
    c->state = CONN_CLOSED;
    work->closed(c);
    return;
  }
  watch(c);
}

void conn_close(struct conn *c) {
  if (c->state == CONN_CLOSED) return;
  if (c->ssl) tls_end(c);
  close(c->fd);
  c->state = CONN_CLOSED;
  c->ready = false;
  c->rest_used = c->out_at = c->out_used = 0;
  if (driver->closed) driver->closed(c);
}

static void lost(struct conn *c) {
  conn_close(c);
  work->closed(c);
}

unsigned char *out_room(struct conn *c, size_t bytes) {
  if (c->out_used + bytes > c->out_cap) {
    c->out_cap = c->out_cap * 2 > c->out_used + bytes ? c->out_cap * 2 : c->out_used + bytes;
    c->out = realloc(c->out, c->out_cap);
    if (!c->out) fail("no memory");
  }
  return c->out + c->out_used;
}

void out_add(struct conn *c, size_t bytes) {
  c->out_used += bytes;
  if (c->dirty) return;
  c->dirty = true;
  dirty[dirty_count++] = c;
}

void out_bytes(struct conn *c, const void *bytes, size_t count) {
  memcpy(out_room(c, count), bytes, count);
  out_add(c, count);
}

void out_text(struct conn *c, const char *format, ...) {
  va_list list;
  va_start(list, format);
  int count = vsnprintf((char *)out_room(c, TEXT_MAX), TEXT_MAX, format, list);
  va_end(list);
  if (count < 0 || count >= TEXT_MAX) fail("a line is too long");
  out_add(c, (size_t)count);
}

static void flush(struct conn *c) {
  c->dirty = false;
  if (c->state != CONN_OPEN) return;
  while (c->out_at < c->out_used) {
    size_t left = c->out_used - c->out_at;
    long count = c->ssl ? tls_write(c, c->out + c->out_at, left) : send(c->fd, c->out + c->out_at, left, 0);
    if (count < 0) {
      if (errno != EAGAIN) return lost(c);
      c->wants_write = true;
      return;
    }
    c->out_at += (size_t)count;
  }
  c->out_at = c->out_used = 0;
  c->wants_write = false;
}

static void show(const unsigned char *bytes, size_t count) {
  if (shown_bytes + count > HISTORY_BYTES) fail("more than %d bytes of history in one turn", HISTORY_BYTES);
  memcpy(shown + shown_bytes, bytes, count);
  shown_bytes += count;
}

/** With a history all that came in this turn is fsynced before any of it is acknowledged. */
static void acknowledge_all(void) {
  if (to_ack_count == 0) return;
  if (history_fd >= 0) {
    for (size_t at = 0; at < shown_bytes;) {
      long count = write(history_fd, shown + at, shown_bytes - at);
      if (count < 0) fail("history: %s", strerror(errno));
      at += (size_t)count;
    }
    shown_bytes = 0;
    if (fdatasync(history_fd) != 0) fail("history: %s", strerror(errno));
  }
  for (size_t i = 0; i < to_ack_count; i++) {
    if (to_ack[i]->state == CONN_OPEN) driver->acknowledge(to_ack[i]);
  }
  to_ack_count = 0;
}

/** Reads once; returns whether there may be more, of which epoll would not tell: a read that was cut short saw all. */
static bool take_once(struct conn *c) {
  if (c->rest_used) memcpy(shared, c->rest, c->rest_used);
  size_t room = READ_BYTES - c->rest_used;
  if (room == 0) fail("a unit of more than %d bytes", READ_BYTES);
  long count = c->ssl ? tls_read(c, shared + c->rest_used, room) : recv(c->fd, shared + c->rest_used, room, 0);
  if (count < 0 && errno == EAGAIN) return false;
  if (count <= 0) {
    lost(c);
    return false;
  }
  now_ns = read_clock();
  size_t total = c->rest_used + (size_t)count;
  size_t used = driver->parse(c, shared, total);
  if (c->state == CONN_CLOSED) return false;
  size_t rest = total - used;
  if (rest > c->rest_cap) {
    free(c->rest);
    c->rest_cap = rest * 2;
    c->rest = malloc(c->rest_cap);
    if (!c->rest) fail("no memory");
  }
  if (rest) memcpy(c->rest, shared + used, rest);
  c->rest_used = rest;
  if (c->to_ack && history_fd >= 0) show(shared, used);
  return (size_t)count == room;
}

static void take(struct conn *c) {
  if (deaf) return;
  while (take_once(c));
  if (!c->to_ack) return;
  c->to_ack = false;
  if (driver->acknowledge && c->state == CONN_OPEN) to_ack[to_ack_count++] = c;
}

static void go_on(struct conn *c) {
  if (c->state == CONN_CONNECTING) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) return lost(c);
    // Fewer acknowledgements of TCP's own: sending them with each read would be a quarter of this program's time.
    int off = 0;
    if (options.delayed_acks) setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off);
    c->state = options.tls ? CONN_HANDSHAKING : CONN_OPEN;
    if (options.tls) tls_begin(c);
    else return driver->start(c);
  }
  int done = tls_handshake(c);
  if (done < 0) return lost(c);
  if (done == 0) return;
  c->state = CONN_OPEN;
  driver->start(c);
}

void io_turn(int timeout_ms) {
  struct epoll_event events[EVENTS];
  int count = epoll_wait(poll_fd, events, EVENTS, put_off && timeout_ms > 1 ? 1 : timeout_ms);
  if (count < 0 && errno != EINTR) fail("epoll: %s", strerror(errno));
  if (count <= 0) now_ns = read_clock();
  for (int i = 0; i < count; i++) {
    struct conn *c = events[i].data.ptr;
    if (c->state == CONN_OPEN) {
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) take(c);
      if (c->state == CONN_OPEN && c->wants_write && (events[i].events & EPOLLOUT)) flush(c);
    } else if (c->state != CONN_CLOSED) go_on(c);
  }
  acknowledge_all();
  put_off = driver->turn && driver->turn();
  size_t dirty_now = dirty_count;
  for (size_t i = 0; i < dirty_now; i++) flush(dirty[i]);
  // A connection that was lost in flush may have been opened again, and be dirty again.
  memmove(dirty, dirty + dirty_now, (dirty_count - dirty_now) * sizeof *dirty);
  dirty_count -= dirty_now;
}
