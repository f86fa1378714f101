// What the two halves of the Parley driver share: a connection's login and its messages.
#ifndef PARLEY_H
#define PARLEY_H

#include "load.h"

#include <openssl/types.h>

enum { NONCE = 32, CENTER_ID = 16, OUTBOX = 16, TOKEN_MAX = 1024, SECRET = 32 };

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
  char *ticket; // that goes with it; NULL: none
  unsigned char secret[SECRET]; // behind the ticket
  uint64_t position, acked;
  struct {
    uint64_t received;      // by the last acknowledgement
    uint64_t came_ns;       // the last that came
    uint64_t late_since_ns; // an acknowledgement waits; 0: none
    uint64_t next_try_ns;   // not before this is one to wait again
    uint64_t try_ns;        // after how long
    bool may_wait, is_listed;
  } ack;
  uint64_t base;    // the highest number that the center knew at Attach
  uint64_t waiting; // messages in the mailbox at Attach
};

/** The center's identity key, of its Hello. */
void ticket_center(const unsigned char *der, size_t bytes);
/** Keeps the ticket of the token that came with it. own: the key the token was issued to. */
void ticket_take(struct parley *p, EVP_PKEY *own, const unsigned char *ticket, size_t bytes);
void ticket_mac(const struct parley *p, const unsigned char *proof, size_t bytes, unsigned char out[SECRET]);
/** For TLS: writes the key's identity and the key, and returns its bytes; 0: none. */
size_t ticket_psk(struct conn *c, char *identity, size_t room, unsigned char *key);
/** Takes Hello, Welcome, Attached and errors. */
void parley_login_frame(struct conn *c, unsigned number, const unsigned char *body, size_t length);
void parley_hello(struct conn *c);
void parley_prepare(void);
/** Adds a frame with this body; request 0: none. */
void parley_frame(struct conn *c, unsigned request, unsigned number, const unsigned char *body, size_t length);

void parley_acknowledge(struct conn *c);
/** Sends the acknowledgements that have waited; returns whether there are others. */
bool parley_turn(void);

#endif
