// Lines that end in CR LF, for the drivers whose protocols are text.
#ifndef LINES_H
#define LINES_H

#define _GNU_SOURCE
#include <stddef.h>
#include <string.h>

/** Length of the line at the front without its end, or -1 while it is not whole; *whole: with its end. */
static inline long line_length(const unsigned char *bytes, size_t count, size_t *whole) {
  const unsigned char *end = memchr(bytes, '\n', count);
  if (!end) return -1;
  size_t length = (size_t)(end - bytes);
  *whole = length + 1;
  return (long)(length > 0 && bytes[length - 1] == '\r' ? length - 1 : length);
}

static inline int begins(const unsigned char *bytes, size_t count, const char *text) {
  size_t length = strlen(text);
  return count >= length && !memcmp(bytes, text, length);
}

#endif
