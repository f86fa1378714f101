// As much of protobuf as the Parley driver needs (https://protobuf.dev/programming-guides/encoding).
#ifndef PROTOBUF_H
#define PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
  const unsigned char *at, *end;
};

struct field {
  unsigned number, type;
  uint64_t value;            // types 0, 1 and 5
  const unsigned char *data; // type 2
  size_t length;
};

static inline uint64_t read_varint(struct reader *r) {
  uint64_t value = 0;
  for (unsigned shift = 0; r->at < r->end && shift < 64; shift += 7) {
    unsigned char byte = *r->at++;
    value |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) return value;
  }
  return value;
}

/** The next field; false at the end. */
static inline bool read_field(struct reader *r, struct field *f) {
  if (r->at >= r->end) return false;
  uint64_t tag = read_varint(r);
  f->number = (unsigned)(tag >> 3);
  f->type = (unsigned)tag & 7;
  switch (f->type) {
  case 0:
    f->value = read_varint(r);
    return true;
  case 1:
    if (r->end - r->at < 8) return false;
    memcpy(&f->value, r->at, 8);
    r->at += 8;
    return true;
  case 2:
    f->length = read_varint(r);
    if ((size_t)(r->end - r->at) < f->length) return false;
    f->data = r->at;
    r->at += f->length;
    return true;
  case 5:
    if (r->end - r->at < 4) return false;
    r->at += 4;
    f->value = 0;
    return true;
  default:
    return false;
  }
}

static inline unsigned varint_bytes(uint64_t value) {
  unsigned bytes = 1;
  while (value >= 128) {
    value >>= 7;
    bytes++;
  }
  return bytes;
}

static inline unsigned char *write_varint(unsigned char *to, uint64_t value) {
  while (value >= 128) {
    *to++ = (unsigned char)(value | 128);
    value >>= 7;
  }
  *to++ = (unsigned char)value;
  return to;
}

static inline unsigned char *write_tag(unsigned char *to, unsigned number, unsigned type) {
  return write_varint(to, number << 3 | type);
}

static inline unsigned char *write_number(unsigned char *to, unsigned number, uint64_t value) {
  return write_varint(write_tag(to, number, 0), value);
}

static inline unsigned char *write_bytes(unsigned char *to, unsigned number, const void *bytes, size_t count) {
  to = write_varint(write_tag(to, number, 2), count);
  memcpy(to, bytes, count);
  return to + count;
}

static inline unsigned char *write_length(unsigned char *to, size_t length) {
  to[0] = (unsigned char)(length >> 24);
  to[1] = (unsigned char)(length >> 16);
  to[2] = (unsigned char)(length >> 8);
  to[3] = (unsigned char)length;
  return to + 4;
}

static inline size_t read_length(const unsigned char *from) {
  return (size_t)from[0] << 24 | (size_t)from[1] << 16 | (size_t)from[2] << 8 | from[3];
}

#endif
