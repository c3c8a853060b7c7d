#include "buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int buf_reserve(struct buf *buf, size_t more, struct err *err) {
  if (more <= buf->cap - buf->len) return 0;
  if (more > SIZE_MAX / 4 - buf->len) return err_set(err, ENOMEM, "realloc", NULL);
  size_t cap = buf->cap == 0 ? 4096 : buf->cap * 2;
  while (cap - buf->len < more) cap *= 2;
  uint8_t *data = realloc(buf->data, cap);
  if (data == NULL) return err_set(err, ENOMEM, "realloc", NULL);
  buf->data = data;
  buf->cap = cap;
  return 0;
}

int buf_append(struct buf *buf, const void *bytes, size_t len, struct err *err) {
  if (buf_reserve(buf, len, err) < 0) return -1;
  if (len > 0) memcpy(buf->data + buf->len, bytes, len);
  buf->len += len;
  return 0;
}

void buf_free(struct buf *buf) {
  free(buf->data);
  *buf = (struct buf){0};
}

void buf_trim(struct buf *buf) {
  if (buf->len == 0 || buf->cap - buf->len < buf->cap / 4) return;
  uint8_t *data = realloc(buf->data, buf->len);
  if (data == NULL) return; /* still valid, only larger */
  buf->data = data;
  buf->cap = buf->len;
}
