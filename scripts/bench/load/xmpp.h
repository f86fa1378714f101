// What XMPP's driver and its SCRAM share.
#ifndef XMPP_H
#define XMPP_H

#include "lines.h"
#include "load.h"

extern const char xmpp_password[];

/** Begins to authenticate by SCRAM-SHA-1. */
void scram_begin(struct conn *c);
/** Answers the server's challenge. */
void scram_answer(struct conn *c, const unsigned char *element, size_t count);

#endif
