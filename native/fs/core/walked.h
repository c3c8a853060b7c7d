/*
 * Reading what a walk wrote (see walk.h). The bytes come from our own walk, but through JavaScript's hands: every length is checked once,
 * when it is opened.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "buf.h"
#include "err.h"

struct walked {
  const uint8_t *bytes;
  uint32_t count;
  uint32_t *offsets; /* of each record, in units of 8 bytes */
};

/* What a copy needs of a record. */
struct walked_entry {
  uint32_t parent; /* index; ~0 for the first */
  uid_t uid;
  gid_t gid;
  struct timespec mtime;
  const char *name; /* not ended by NUL */
  uint32_t name_len;
};

/* EINVAL for bytes that no walk has written. */
int walked_open(struct walked *walked, const uint8_t *bytes, size_t len, struct err *err);
void walked_free(struct walked *walked);
/* `index` must be below the count. */
struct walked_entry walked_entry(const struct walked *walked, uint32_t index);
/* Appends the path of a folder from the walked one, with a "/" behind each name; nothing for the first record. */
int walked_folder_path(const struct walked *walked, uint32_t index, struct buf *out, struct err *err);
