/*
 * The batch that `apply` performs, as bytes. They come from our own encoder, but every length is checked all the same: a
 * malformed batch is EINVAL, never a wild read.
 *
 * Little-endian. Header, 16 bytes: "TSBOPS01", u32 number of ops, u32 zero. Then per op:
 *
 *   0 u8 type   1 u8 existing   2 u8 flags (1 make parents, 2 has mtime, 4 userxattr)   3 u8 zero
 *   4 u32 mode (permissions; for a node with its type)   8 u32 uid   12 u32 gid   16 u32 mtime, nanoseconds
 *  20 u32 major   24 u32 minor   28 u32 number of attributes   32 i64 mtime, seconds
 *  40 u32 length of the path   44 u32 length of the argument   48 u64 length of the data   56 u64 length of the attributes
 *  64 path, NUL, argument (source, target or link's file), NUL, data, attributes (see xattr.h)
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "err.h"

enum op_type {
  OP_FOLDER,
  OP_COPY,
  OP_FILE,
  OP_SYMLINK,
  OP_HARDLINK,
  OP_NODE,
  OP_WHITEOUT,
  OP_OPAQUE,
  OP_REMOVE,
  OP_TIMES,
  OP_MOVE,
  OP_TYPES
};
enum op_existing { EXISTING_ERROR, EXISTING_REPLACE, EXISTING_COPY, EXISTING_KEEP, EXISTING_KINDS };
enum { OP_MAKE_PARENTS = 1, OP_HAS_MTIME = 2, OP_USERXATTR = 4, OP_FLAGS = 7 };
/* Never in a batch. A copied file that is at the same path below another root already: it is linked from there where that works. */
enum { OP_TRY_TWIN = 8 };

struct op {
  enum op_type type;
  enum op_existing existing;
  uint8_t flags;
  mode_t mode;
  uid_t uid;
  gid_t gid;
  struct timespec mtime;
  uint32_t major, minor;
  const char *path;     /* ended by NUL, and holds no other */
  const char *argument; /* likewise */
  const uint8_t *data;
  size_t data_len;
  const uint8_t *xattrs; /* checked: xattr_count whole attributes */
  uint32_t xattr_count;
};

struct ops {
  const uint8_t *at;
  const uint8_t *end;
  uint32_t count;
};

/* Checks the header. */
int ops_open(struct ops *ops, const uint8_t *bytes, size_t len, struct err *err);
/* Decodes the next op; there are `count` of them. */
int ops_next(struct ops *ops, struct op *op, struct err *err);
/* Decodes all of them, and checks that nothing follows. */
int ops_check(const uint8_t *bytes, size_t len, struct err *err);
