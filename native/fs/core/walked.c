#include "walked.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES = 16, RECORD_BYTES = 104, UNIT = 8, MODE_AT = 12 };
enum { FLAG_NAME_BYTES = 1, FLAG_TARGET_BYTES = 2 };
static const uint32_t NO_PARENT = UINT32_MAX;

static int malformed(struct err *err, const char *what) {
  return err_detail(err, EINVAL, "walk", NULL, what);
}

static uint32_t u32(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static int64_t i64(const uint8_t *at) {
  int64_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

/* Checks the record at `at`, of which `left` bytes are there. */
static int check_record(const uint8_t *at, size_t left, uint32_t index, struct err *err) {
  if (left < RECORD_BYTES) return malformed(err, "a walk that is cut off");
  uint64_t whole = u32(at), used = (uint64_t)RECORD_BYTES + u32(at + 92) + u32(at + 96) + u32(at + 100);
  if (whole % UNIT != 0 || whole > left || used > whole) return malformed(err, "a record longer than it says");
  uint32_t parent = u32(at + 4);
  if (u32(at + 8) <= index) return malformed(err, "a record that ends before it begins");
  if (index == 0 ? parent != NO_PARENT : parent >= index) return malformed(err, "a record before its folder");
  const uint8_t *name = at + RECORD_BYTES;
  bool is_name = memchr(name, '/', u32(at + 92)) == NULL && memchr(name, '\0', u32(at + 92)) == NULL;
  return is_name ? 0 : malformed(err, "a name that is none");
}

static const uint8_t *record(const struct walked *walked, uint32_t index) {
  return walked->bytes + (size_t)walked->offsets[index] * UNIT;
}

int walked_open(struct walked *walked, const uint8_t *bytes, size_t len, struct err *err) {
  *walked = (struct walked){.bytes = bytes};
  if (len < HEADER_BYTES || memcmp(bytes, "TSBWALK1", 8) != 0) return malformed(err, "not the result of a walk");
  walked->count = u32(bytes + 8);
  if (walked->count > len / RECORD_BYTES) return malformed(err, "a walk that is cut off");
  walked->offsets = malloc(((size_t)walked->count + 1) * sizeof *walked->offsets);
  if (walked->offsets == NULL) return err_set(err, ENOMEM, "malloc", NULL);
  size_t at = HEADER_BYTES;
  for (uint32_t index = 0; index < walked->count; index++) {
    if (check_record(bytes + at, len - at, index, err) < 0) return -1;
    walked->offsets[index] = (uint32_t)(at / UNIT);
    at += u32(bytes + at);
  }
  if (at != len) return malformed(err, "bytes follow the last record");
  for (uint32_t index = 0; index < walked->count; index++)
    if (u32(record(walked, index) + 8) > walked->count) return malformed(err, "a record that ends behind all");
  return 0;
}

void walked_free(struct walked *walked) {
  free(walked->offsets);
  walked->offsets = NULL;
}

struct walked_entry walked_entry(const struct walked *walked, uint32_t index) {
  const uint8_t *at = record(walked, index);
  return (struct walked_entry){
      .parent = u32(at + 4),
      .end = u32(at + 8),
      .mode = u32(at + MODE_AT),
      .uid = u32(at + 16),
      .gid = u32(at + 20),
      .nlink = u32(at + 24),
      .xattr_count = u32(at + 28),
      .mtime = {.tv_sec = i64(at + 56), .tv_nsec = u32(at + 72)},
      .name = (const char *)at + RECORD_BYTES,
      .name_len = u32(at + 92),
      .size = i64(at + 48),
      .rdev_major = u32(at + 80),
      .rdev_minor = u32(at + 84),
      .target = (const char *)at + RECORD_BYTES + u32(at + 92),
      .target_len = u32(at + 96),
      .target_is_bytes = (u32(at + 88) & FLAG_TARGET_BYTES) != 0,
  };
}

bool walked_same(const struct walked *a, uint32_t index, const struct walked *b, uint32_t other) {
  const uint8_t *left = record(a, index), *right = record(b, other);
  return u32(left) == u32(right) && memcmp(left + MODE_AT, right + MODE_AT, u32(left) - MODE_AT) == 0;
}

bool walked_has_byte_name(const struct walked *walked, uint32_t index) {
  for (uint32_t at = index; at != NO_PARENT; at = u32(record(walked, at) + 4))
    if (u32(record(walked, at) + 88) & FLAG_NAME_BYTES) return true;
  return false;
}

int walked_xattr(const struct walked *walked, uint32_t index, size_t *at, struct walked_xattr *xattr, struct err *err) {
  const uint8_t *start = record(walked, index);
  size_t len = u32(start + 100);
  const uint8_t *list = start + RECORD_BYTES + u32(start + 92) + u32(start + 96);
  if (*at == len) return 0;
  if (len - *at < 8) return malformed(err, "an attribute that is cut off");
  xattr->name_len = u32(list + *at);
  xattr->value_len = u32(list + *at + 4);
  if ((uint64_t)xattr->name_len + xattr->value_len > len - *at - 8) return malformed(err, "an attribute longer than it says");
  xattr->name = (const char *)list + *at + 8;
  xattr->value = list + *at + 8 + xattr->name_len;
  *at += 8 + (size_t)xattr->name_len + xattr->value_len;
  return 1;
}

/* From the end to the start: a tree may be deeper than a stack. */
int walked_folder_path(const struct walked *walked, uint32_t index, struct buf *out, struct err *err) {
  size_t len = 0;
  for (uint32_t at = index; at != NO_PARENT && at != 0; at = u32(record(walked, at) + 4))
    len += (size_t)u32(record(walked, at) + 92) + 1;
  if (buf_reserve(out, len, err) < 0) return -1;
  uint8_t *end = out->data + out->len + len;
  for (uint32_t at = index; at != NO_PARENT && at != 0; at = u32(record(walked, at) + 4)) {
    uint32_t name_len = u32(record(walked, at) + 92);
    *--end = '/';
    end -= name_len;
    memcpy(end, record(walked, at) + RECORD_BYTES, name_len);
  }
  out->len += len;
  return 0;
}
