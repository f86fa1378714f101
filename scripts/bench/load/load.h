// What the parts of the load generator share: options, connections, drivers (one a protocol) and works (one a row).
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ssl_st SSL;

enum pace { PACE_RECEIVED, PACE_SETTLED };

struct options {
  const char *host;
  int port;
  bool tls;
  unsigned connections; // that the row opens; pairs use two each
  unsigned first;       // the first account
  unsigned inflight;    // for each pair
  unsigned body_bytes;
  double seconds;
  double warmup_seconds;
  enum pace pace;
  const char *history; // a file that receivers fsync before they acknowledge; NULL: they only show
  uint64_t first_id;   // Parley: the account id of account 0
  bool by_password;    // the server is to hash a password; else Parley takes a token, once there is one, and XMPP SCRAM
  bool delayed_acks;   // the server writes without waiting for TCP's acknowledgements (TCP_NODELAY): they may come late
  bool persistent;     // MQTT: sessions outlive their connections
  int server_pid;      // 0: not known
  uint64_t expected;   // drain: messages that wait
  unsigned at_once;    // logins in progress
};
extern struct options options;

// --- connections (io.c, tls.c) ---------------------------------------------------------------------

enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_HANDSHAKING, CONN_OPEN };

struct conn {
  int fd;
  enum conn_state state;
  unsigned index; // its account is options.first + index
  SSL *ssl;
  unsigned char *rest; // of an unfinished unit
  size_t rest_used, rest_cap;
  unsigned char *out;
  size_t out_at, out_used, out_cap;
  bool dirty;       // in the list of those with output in this turn
  bool wants_write; // the socket took no more
  bool ready;       // logged in, and what it subscribes to is there
  bool to_ack;      // got something that is not acknowledged
  unsigned to;      // index of the connection that it sends to
  uint64_t sent, settled, received;
  uint64_t last_sequence; // of what it got
  uint64_t stored;        // of what it sent, as far as it was told
  uint64_t begun_ns, due_ns;
  unsigned tries;
  void *own; // the driver's
};

extern struct conn *conns;
extern uint64_t now_ns; // read once after each read from a socket
extern uint64_t started_ns;

/** Nobody reads any more, while all go on to write. */
extern bool deaf;

/** The driver has put something off. */
extern bool put_off;

void io_start(void);
void conn_open(struct conn *c);
void conn_close(struct conn *c);
/** Runs one turn: waits at most so long, reads, lets receivers acknowledge, writes once a connection. */
void io_turn(int timeout_ms);
/** Room for so many bytes at the end of the output; the caller says with out_add how many it wrote. */
unsigned char *out_room(struct conn *c, size_t bytes);
void out_add(struct conn *c, size_t bytes);
void out_bytes(struct conn *c, const void *bytes, size_t count);
void out_text(struct conn *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

void tls_start(void);
void tls_begin(struct conn *c);
/** 1: done. 0: goes on later. -1: failed. */
int tls_handshake(struct conn *c);
/** As read and write, with -1 and EAGAIN. */
long tls_read(struct conn *c, void *bytes, size_t count);
long tls_write(struct conn *c, const void *bytes, size_t count);
void tls_end(struct conn *c);
/** Whether both sides have proved by such a key that they are who they were before. */
bool tls_by_psk(const struct conn *c);
void tls_exporter(struct conn *c, unsigned char out[32]);

// --- drivers ----------------------------------------------------------------------------------------

struct driver {
  const char *name;
  const char *alpn; // what it names over TLS (RFC 7301); NULL: nothing
  /** Once, before any connection. */
  void (*prepare)(void);
  /** A key that TLS is to begin with (RFC 8446, 2.2): writes identity and key, returns its bytes; NULL: never any. */
  size_t (*psk)(struct conn *c, char *identity, size_t room, unsigned char *key);
  /** Connected: begins to log in; ends with work->ready. */
  void (*start)(struct conn *c);
  /** Takes whole units from the front of the bytes and returns how many bytes they were. */
  size_t (*parse)(struct conn *c, const unsigned char *bytes, size_t count);
  /** Adds a message to the account of connection `to` to the output. */
  void (*message)(struct conn *c, unsigned to);
  /** Adds one to everybody; NULL where the protocol has none. */
  void (*broadcast)(struct conn *c);
  /** Acknowledges what was received; NULL where nothing is. */
  void (*acknowledge)(struct conn *c);
  /** At the end of each turn: does what it has put off; returns whether something is still put off. NULL: never. */
  bool (*turn)(void);
  /** Says that it is still there; NULL where nothing has to be said. */
  void (*heartbeat)(struct conn *c);
  /** Asks how many messages are done, which work->settled tells; NULL where messages are answered unasked. */
  void (*fence)(struct conn *c);
  /** The connection is gone; NULL where nothing has to be forgotten. */
  void (*closed)(struct conn *c);
};
extern const struct driver *driver;
extern const struct driver relay_driver, parley_driver, nats_driver, irc_driver, mqtt_driver, xmpp_driver;

// --- bodies (body.c): 16 hex digits of the sender's clock, 8 of its count, then padding -------------

enum { BODY_HEAD = 24, BODY_MAX = 16384 };
void body_write(struct conn *c, unsigned char *to);
/** Counts a body that arrived, and tells the work. */
void body_read(struct conn *c, const unsigned char *body, size_t count);

// --- works ------------------------------------------------------------------------------------------

struct work {
  const char *name;
  void (*run)(void);
  void (*ready)(struct conn *c);
  void (*received)(struct conn *c, uint64_t stamp_ns);
  /** c->settled has risen. */
  void (*settled)(struct conn *c);
  void (*closed)(struct conn *c);
};
extern const struct work *work;
extern const struct work relay_work, visit_work, away_work, drain_work, fanout_work, login_work, back_work,
    idle_work, deaf_work;

/** Lets all who are ready say that they are there, now and then; to be called often while nothing else is sent. */
void keep_alive(void);
/** Opens them all, some at once, and returns when all are ready. */
void open_all(void);
/** Runs turns until the clock says so, or until stop is true. */
void run_for(double seconds, bool (*stop)(void));

// --- measuring (measure.c) ---------------------------------------------------------------------------

struct histogram {
  uint64_t counts[64 * 32];
  uint64_t total;
};
void histogram_add(struct histogram *h, uint64_t ns);
double histogram_us(const struct histogram *h, double quantile);

extern struct histogram hops;
extern bool measuring;
extern uint64_t gaps; // bodies that did not follow the one before

void measure_begin(void);
void measure_end(void);
double measured_seconds(void);
uint64_t read_clock(void);
/** Prints the JSON object of the row and its end; count: what was done in the measured time. */
void report(uint64_t count, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
