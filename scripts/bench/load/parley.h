// What the two halves of the Parley driver share: a connection's login and its messages.
#ifndef PARLEY_H
#define PARLEY_H

#include "load.h"

enum { NONCE = 32, CENTER_ID = 16, OUTBOX = 16, TOKEN_MAX = 1024 };

// Numbers of Frame's bodies (shared/protocol.proto).
enum {
  FRAME_MESSAGE = 2,
  FRAME_DELIVER = 3,
  FRAME_ACK = 4,
  FRAME_ACCEPTED = 5,
  FRAME_STORED = 6,
  FRAME_REFUSED = 7,
  FRAME_HEARTBEAT = 8,
  FRAME_BROADCAST_DELIVER = 10,
  FRAME_HELLO = 16,
  FRAME_ERROR = 17,
  FRAME_LOGIN = 21,
  FRAME_RESUME = 22,
  FRAME_WELCOME = 23,
  FRAME_ATTACH = 24,
  FRAME_ATTACHED = 25,
  FRAME_BROADCAST = 40,
};

struct parley {
  unsigned char nonce[NONCE];
  unsigned char outbox[OUTBOX];
  char *token; // of the last Welcome
  uint64_t position, acked;
  uint64_t base;    // the highest number that the center knew at Attach
  uint64_t waiting; // messages in the mailbox at Attach
};

/** Takes Hello, Welcome, Attached and errors. */
void parley_login_frame(struct conn *c, unsigned number, const unsigned char *body, size_t length);
void parley_hello(struct conn *c);
void parley_prepare(void);
/** Adds a frame with this body; request 0: none. */
void parley_frame(struct conn *c, unsigned request, unsigned number, const unsigned char *body, size_t length);

#endif
