#include "ops.h"

#include <errno.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/stat.h>

enum { HEADER_BYTES = 16, OP_BYTES = 64, NANOS = 1000000000 };

struct op_header {
  uint8_t type, existing, flags, zero;
  uint32_t mode, uid, gid, mtime_nsec, major, minor, xattr_count;
  int64_t mtime_sec;
  uint32_t path_len, argument_len;
  uint64_t data_len, xattr_len;
};
_Static_assert(sizeof(struct op_header) == OP_BYTES, "the header is the format: no padding");

static int malformed(struct err *err, const char *what) {
  return err_detail(err, EINVAL, "ops", NULL, what);
}

static size_t left(const struct ops *ops) {
  return (size_t)(ops->end - ops->at);
}

int ops_open(struct ops *ops, const uint8_t *bytes, size_t len, struct err *err) {
  if (len < HEADER_BYTES || memcmp(bytes, "TSBOPS01", 8) != 0) return malformed(err, "not a batch of operations");
  *ops = (struct ops){.at = bytes + HEADER_BYTES, .end = bytes + len};
  memcpy(&ops->count, bytes + 8, sizeof ops->count);
  return 0;
}

/* A text of exactly `len` bytes, with its NUL behind it. */
static int take_text(struct ops *ops, uint32_t len, const char **text, struct err *err) {
  if (left(ops) < (size_t)len + 1) return malformed(err, "a text is longer than the batch");
  *text = (const char *)ops->at;
  if (ops->at[len] != '\0' || memchr(ops->at, '\0', len) != NULL) return malformed(err, "a text holds a NUL");
  ops->at += (size_t)len + 1;
  return 0;
}

static int take_bytes(struct ops *ops, uint64_t len, const uint8_t **bytes, struct err *err) {
  if (left(ops) < len) return malformed(err, "data is longer than the batch");
  *bytes = ops->at;
  ops->at += len;
  return 0;
}

static int check_xattrs(const uint8_t *at, uint64_t len, uint32_t count, struct err *err) {
  for (uint32_t i = 0; i < count; i++) {
    uint32_t lengths[2];
    if (len < sizeof lengths) return malformed(err, "an attribute is cut off");
    memcpy(lengths, at, sizeof lengths);
    uint64_t whole = sizeof lengths + (uint64_t)lengths[0] + lengths[1];
    if (len < whole) return malformed(err, "an attribute is cut off");
    if (lengths[0] == 0 || lengths[0] > XATTR_NAME_MAX || memchr(at + 8, '\0', lengths[0]) != NULL)
      return malformed(err, "an attribute's name is wrong");
    at += whole;
    len -= whole;
  }
  return len == 0 ? 0 : malformed(err, "bytes follow the attributes");
}

static int check_header(const struct op_header *header, struct err *err) {
  if (header->type >= OP_TYPES) return malformed(err, "unknown type of operation");
  if (header->existing >= EXISTING_KINDS || header->zero != 0) return malformed(err, "unknown kind of `existing`");
  if (header->flags & ~OP_FLAGS) return malformed(err, "unknown flags");
  if (header->mtime_nsec >= NANOS) return malformed(err, "nanoseconds out of range");
  if (header->existing == EXISTING_KEEP && header->type != OP_FOLDER)
    return malformed(err, "only folders can be kept");
  mode_t kind = header->mode & S_IFMT;
  if (header->mode & ~(uint32_t)(S_IFMT | 07777)) return malformed(err, "mode out of range");
  if (header->type != OP_NODE) return kind == 0 ? 0 : malformed(err, "only nodes have a type in their mode");
  bool known = kind == S_IFIFO || kind == S_IFCHR || kind == S_IFBLK || kind == S_IFSOCK;
  return known ? 0 : malformed(err, "unknown kind of node");
}

static void fill(struct op *op, const struct op_header *header) {
  op->type = (enum op_type)header->type;
  op->existing = (enum op_existing)header->existing;
  op->flags = header->flags;
  op->mode = header->mode;
  op->uid = header->uid;
  op->gid = header->gid;
  op->mtime = (struct timespec){.tv_sec = header->mtime_sec, .tv_nsec = header->mtime_nsec};
  op->major = header->major;
  op->minor = header->minor;
  op->data_len = (size_t)header->data_len;
  op->xattr_count = header->xattr_count;
}

int ops_next(struct ops *ops, struct op *op, struct err *err) {
  struct op_header header;
  if (left(ops) < sizeof header) return malformed(err, "the batch is cut off");
  memcpy(&header, ops->at, sizeof header);
  ops->at += sizeof header;
  if (check_header(&header, err) < 0) return -1;
  fill(op, &header);
  if (take_text(ops, header.path_len, &op->path, err) < 0) return -1;
  if (take_text(ops, header.argument_len, &op->argument, err) < 0) return -1;
  if (take_bytes(ops, header.data_len, &op->data, err) < 0) return -1;
  if (take_bytes(ops, header.xattr_len, &op->xattrs, err) < 0) return -1;
  return check_xattrs(op->xattrs, header.xattr_len, header.xattr_count, err);
}

int ops_check(const uint8_t *bytes, size_t len, struct err *err) {
  struct ops ops;
  struct op op;
  if (ops_open(&ops, bytes, len, err) < 0) return -1;
  for (uint32_t i = 0; i < ops.count; i++) {
    if (ops_next(&ops, &op, err) == 0) continue;
    err->index = i;
    return -1;
  }
  return left(&ops) == 0 ? 0 : malformed(err, "bytes follow the last operation");
}
