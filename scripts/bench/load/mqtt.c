// MQTT 3.1.1 with QoS 1 (http://docs.oasis-open.org/mqtt/mqtt/v3.1.1): a topic for each, and one for all.
// With --persistent sessions outlive their connections, so that messages wait for who is away.
#include "load.h"

#include <stdio.h>
#include <string.h>

enum { CONNECT = 0x10, CONNACK = 0x20, PUBLISH_QOS1 = 0x32, PUBACK = 0x40, SUBSCRIBE = 0x82, SUBACK = 0x90, PINGREQ = 0xc0 };
enum { KEEP_ALIVE_SECONDS = 60, CLEAN_SESSION = 2 };

static unsigned char *put_text(unsigned char *to, const char *text) {
  size_t length = strlen(text);
  to[0] = (unsigned char)(length >> 8);
  to[1] = (unsigned char)length;
  memcpy(to + 2, text, length);
  return to + 2 + length;
}

static unsigned char *put_head(unsigned char *to, unsigned type, size_t length) {
  *to++ = (unsigned char)type;
  while (length >= 128) {
    *to++ = (unsigned char)(length | 128);
    length >>= 7;
  }
  *to++ = (unsigned char)length;
  return to;
}

static void packet(struct conn *c, unsigned type, const unsigned char *content, size_t length) {
  unsigned char *start = out_room(c, length + 5);
  unsigned char *at = put_head(start, type, length);
  memcpy(at, content, length);
  out_add(c, (size_t)(at - start) + length);
}

static void start(struct conn *c) {
  unsigned char content[64];
  char id[16];
  snprintf(id, sizeof id, "u%05u", options.first + c->index);
  unsigned char *at = put_text(content, "MQTT");
  *at++ = 4;
  *at++ = options.persistent ? 0 : CLEAN_SESSION;
  *at++ = 0;
  *at++ = KEEP_ALIVE_SECONDS;
  at = put_text(at, id);
  packet(c, CONNECT, content, (size_t)(at - content));
}

static void subscribe(struct conn *c) {
  unsigned char content[64];
  char topic[16];
  snprintf(topic, sizeof topic, "m/%05u", options.first + c->index);
  content[0] = 0;
  content[1] = 1;
  unsigned char *at = put_text(content + 2, topic);
  *at++ = 1;
  // The one that says something to all does not hear itself.
  if (c->index != 0) {
    at = put_text(at, "all");
    *at++ = 1;
  }
  packet(c, SUBSCRIBE, content, (size_t)(at - content));
}

static void take_publish(struct conn *c, unsigned type, const unsigned char *content, size_t length) {
  size_t topic = (size_t)content[0] << 8 | content[1];
  const unsigned char *id = content + 2 + topic;
  bool acked = (type & 6) != 0;
  const unsigned char *body = acked ? id + 2 : id;
  body_read(c, body, length - (size_t)(body - content));
  if (acked) packet(c, PUBACK, id, 2);
}

static void take_packet(struct conn *c, unsigned type, const unsigned char *content, size_t length) {
  switch (type & 0xf0) {
  case PUBLISH_QOS1 & 0xf0:
    return take_publish(c, type, content, length);
  case PUBACK:
    c->settled++;
    return work->settled(c);
  case CONNACK:
    if (content[1] != 0) fail("mosquitto refuses: %d", content[1]);
    return subscribe(c);
  case SUBACK:
    c->ready = true;
    return work->ready(c);
  }
}

static size_t parse(struct conn *c, const unsigned char *bytes, size_t count) {
  size_t at = 0;
  for (;;) {
    size_t length = 0, next = at + 1;
    for (unsigned shift = 0;; shift += 7, next++) {
      if (next >= count) return at;
      length |= (size_t)(bytes[next] & 127) << shift;
      if (bytes[next] < 128) break;
    }
    next++;
    if (count - next < length) return at;
    take_packet(c, bytes[at], bytes + next, length);
    if (c->state == CONN_CLOSED) return 0;
    at = next + length;
  }
}

static void publish(struct conn *c, const char *topic) {
  size_t length = 2 + strlen(topic) + 2 + options.body_bytes;
  unsigned char *start = out_room(c, length + 5);
  unsigned char *at = put_text(put_head(start, PUBLISH_QOS1, length), topic);
  // Ids may be used again once they are acknowledged: far fewer are on their way.
  unsigned id = (unsigned)(c->sent % 65535) + 1;
  *at++ = (unsigned char)(id >> 8);
  *at++ = (unsigned char)id;
  body_write(c, at);
  out_add(c, (size_t)(at - start) + options.body_bytes);
}

static void message(struct conn *c, unsigned to) {
  char topic[16];
  snprintf(topic, sizeof topic, "m/%05u", options.first + to);
  publish(c, topic);
}

static void broadcast(struct conn *c) { publish(c, "all"); }
static void heartbeat(struct conn *c) { packet(c, PINGREQ, NULL, 0); }

const struct driver mqtt_driver = {.name = "mqtt",
                                   .start = start,
                                   .parse = parse,
                                   .message = message,
                                   .broadcast = broadcast,
                                   .heartbeat = heartbeat};
