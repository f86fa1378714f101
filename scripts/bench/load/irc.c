// IRC (RFC 2812): nicknames u00000 and so on; what is said to all is said in a channel.
#include "lines.h"
#include "load.h"

#include <stdio.h>

static void start(struct conn *c) {
  out_text(c, "NICK u%05u\r\nUSER bench 0 * :bench\r\n", options.first + c->index);
}

/** The rest after so many words. */
static const unsigned char *word(const unsigned char *line, const unsigned char *end, int words) {
  while (line < end && words > 0) {
    if (*line++ == ' ') words--;
  }
  return line;
}

static void take_line(struct conn *c, const unsigned char *line, const unsigned char *end) {
  if (begins(line, (size_t)(end - line), "PING")) {
    out_text(c, "PONG%.*s\r\n", (int)(end - line - 4), line + 4);
    return;
  }
  if (begins(line, (size_t)(end - line), "ERROR")) fail("ngircd says %.*s", (int)(end - line), line);
  if (*line != ':') return;
  const unsigned char *command = word(line, end, 1);
  size_t left = (size_t)(end - command);
  if (begins(command, left, "PRIVMSG ")) {
    const unsigned char *body = word(command, end, 2) + 1;
    body_read(c, body, (size_t)(end - body));
  } else if (begins(command, left, "376 ") || begins(command, left, "422 ")) {
    // The end of the message of the day, or that there is none.
    if (work == &fanout_work) out_text(c, "JOIN #all\r\n");
    else c->ready = true;
  } else if (begins(command, left, "366 ")) c->ready = true;
  else if (command[0] == '4' && left > 4 && command[3] == ' ') fail("ngircd says %.*s", (int)(end - line), line);
  else return;
  if (c->ready && c->received == 0 && c->sent == 0) work->ready(c);
}

static size_t parse(struct conn *c, const unsigned char *bytes, size_t count) {
  size_t at = 0, whole = 0;
  for (;;) {
    long length = line_length(bytes + at, count - at, &whole);
    if (length < 0) return at;
    take_line(c, bytes + at, bytes + at + length);
    if (c->state == CONN_CLOSED) return 0;
    at += whole;
  }
}

static void say(struct conn *c, const char *target) {
  unsigned char *to = out_room(c, options.body_bytes + 64);
  int head = sprintf((char *)to, "PRIVMSG %s :", target);
  body_write(c, to + head);
  memcpy(to + head + options.body_bytes, "\r\n", 2);
  out_add(c, (size_t)head + options.body_bytes + 2);
}

static void message(struct conn *c, unsigned to) {
  char nick[16];
  snprintf(nick, sizeof nick, "u%05u", options.first + to);
  say(c, nick);
}

static void broadcast(struct conn *c) { say(c, "#all"); }

const struct driver irc_driver = {
    .name = "irc", .start = start, .parse = parse, .message = message, .broadcast = broadcast};
