/* A byte buffer that grows. Offsets stay valid when it moves, pointers don't. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct buf {
  uint8_t *data;
  size_t len;
  size_t cap;
};

/* Room for `more` bytes behind `len`; ENOMEM otherwise. */
int buf_reserve(struct buf *buf, size_t more, struct err *err);
int buf_append(struct buf *buf, const void *bytes, size_t len, struct err *err);
void buf_free(struct buf *buf);
/* Gives back what was reserved and not used, when that is worth a copy. */
void buf_trim(struct buf *buf);
