/*
 * Reading what a walk wrote (see walk.h). The bytes come from our own walk, but through JavaScript's hands: every length is checked once,
 * when it is opened.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "buf.h"
#include "err.h"

struct walk_bytes {
  const uint8_t *bytes;
  size_t len;
};

struct walked {
  const uint8_t *bytes;
  uint32_t count;
  uint32_t *offsets; /* of each record, in units of 8 bytes */
};

struct walked_entry {
  uint32_t parent; /* index; ~0 for the first */
  uint32_t end;    /* index behind the last entry below it */
  uint32_t mode;   /* type and permissions */
  uid_t uid;
  gid_t gid;
  uint32_t nlink;
  uint32_t xattr_count;
  struct timespec mtime;
  const char *name; /* not ended by NUL */
  uint32_t name_len;
  int64_t size;
  uint32_t rdev_major, rdev_minor;
  const char *target; /* likewise */
  uint32_t target_len;
  bool target_is_bytes; /* no UTF-8 */
};

struct walked_xattr {
  const char *name;
  uint32_t name_len;
  const uint8_t *value;
  uint32_t value_len;
};

/* EINVAL for bytes that no walk has written. */
int walked_open(struct walked *walked, const uint8_t *bytes, size_t len, struct err *err);
void walked_free(struct walked *walked);
/* `index` must be below the count. */
struct walked_entry walked_entry(const struct walked *walked, uint32_t index);
/* Whether two entries are the same in all but where they are. */
bool walked_same(const struct walked *a, uint32_t index, const struct walked *b, uint32_t other);
/* Whether a name in the path of an entry is no UTF-8. */
bool walked_has_byte_name(const struct walked *walked, uint32_t index);
/* The next attribute of an entry, from *at on, which begins with 0. 1: there is one; 0: there is none left; -1: EINVAL. */
int walked_xattr(const struct walked *walked, uint32_t index, size_t *at, struct walked_xattr *xattr, struct err *err);
/* Appends the path of a folder from the walked one, with a "/" behind each name; nothing for the first record. */
int walked_folder_path(const struct walked *walked, uint32_t index, struct buf *out, struct err *err);
