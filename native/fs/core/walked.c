#include "walked.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES = 16, RECORD_BYTES = 104, UNIT = 8 };
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
  if (index == 0 ? parent != NO_PARENT : parent >= index) return malformed(err, "a record before its folder");
  const uint8_t *name = at + RECORD_BYTES;
  bool is_name = memchr(name, '/', u32(at + 92)) == NULL && memchr(name, '\0', u32(at + 92)) == NULL;
  return is_name ? 0 : malformed(err, "a name that is none");
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
  return at == len ? 0 : malformed(err, "bytes follow the last record");
}

void walked_free(struct walked *walked) {
  free(walked->offsets);
  walked->offsets = NULL;
}

static const uint8_t *record(const struct walked *walked, uint32_t index) {
  return walked->bytes + (size_t)walked->offsets[index] * UNIT;
}

struct walked_entry walked_entry(const struct walked *walked, uint32_t index) {
  const uint8_t *at = record(walked, index);
  return (struct walked_entry){
      .parent = u32(at + 4),
      .uid = u32(at + 16),
      .gid = u32(at + 20),
      .mtime = {.tv_sec = i64(at + 56), .tv_nsec = u32(at + 72)},
      .name = (const char *)at + RECORD_BYTES,
      .name_len = u32(at + 92),
  };
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
