#include "plain_head.h"

#include <stdio.h>
#include <string.h>

enum { NAME_LEN = 100, ID_MAX = 0777777, CHECKSUM = 148, TYPE = 156, LINK = 157, MAGIC = 257 };
static const uint64_t SIZE_MAX_OCTAL = 077777777777;
static const int64_t SECONDS_MAX = 0x7fffffff;

/* ---- what fits ---- */

static bool is_printable(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (text[i] < 0x20 || text[i] > 0x7e) return false;
  return true;
}

static bool is_name(const char *text, size_t len) {
  return len > 0 && len <= PATH_MAX && is_printable(text, len);
}

bool plain_head_fits(const struct plain_head *head) {
  if (head->uid > ID_MAX || head->gid > ID_MAX || head->size > SIZE_MAX_OCTAL) return false;
  if (head->mtime.tv_sec < 0 || head->mtime.tv_sec > SECONDS_MAX) return false;
  if (head->type == PLAIN_SYMLINK && !is_name(head->target, head->target_len)) return false;
  return is_name(head->path, head->path_len);
}

/* ---- one block ---- */

static void put_octal(uint8_t *at, uint32_t digits, uint64_t value, char last) {
  for (uint32_t i = digits; i-- > 0; value >>= 3) at[i] = (uint8_t)('0' + (value & 7));
  at[digits] = (uint8_t)last;
}

/* The whole name, or as much of its end as there is room for: the extended header has all of it then. */
static void put_name(uint8_t *at, const char *name, size_t len) {
  size_t cut = len > NAME_LEN ? len - NAME_LEN : 0;
  memcpy(at, name + cut, len - cut);
}

/* The field of the sum itself counts as spaces. */
static uint32_t sum_of(uint8_t *block) {
  uint32_t sum = 0;
  memset(block + CHECKSUM, ' ', 8);
  for (size_t at = 0; at < TAR_BLOCK; at++) sum += block[at];
  return sum;
}

static void write_header(const struct plain_head *head, uint8_t *block) {
  static const char types[] = {[PLAIN_FILE] = '0', [PLAIN_FOLDER] = '5', [PLAIN_SYMLINK] = '2'};
  memset(block, 0, TAR_BLOCK);
  put_name(block, head->path, head->path_len);
  put_octal(block + 100, 6, head->mode, ' ');
  put_octal(block + 108, 6, head->uid, ' ');
  put_octal(block + 116, 6, head->gid, ' ');
  put_octal(block + 124, 11, head->size, ' ');
  put_octal(block + 136, 11, (uint64_t)head->mtime.tv_sec, ' ');
  block[TYPE] = (uint8_t)types[head->type];
  if (head->type == PLAIN_SYMLINK) put_name(block + LINK, head->target, head->target_len);
  memcpy(block + MAGIC, "ustar\0" "00", 8);
  put_octal(block + 329, 6, 0, ' ');
  put_octal(block + 337, 6, 0, ' ');
  uint32_t sum = sum_of(block);
  put_octal(block + CHECKSUM, 6, sum, ' ');
  block[CHECKSUM + 7] = '\0';
}

/* ---- the extended header ---- */

/* `LENGTH KEY=VALUE\n`, where the length counts its own digits; returns that. */
static size_t put_record(uint8_t *at, const char *key, const char *value, size_t value_len) {
  size_t rest = strlen(key) + value_len + 3, digits = 1;
  for (size_t most = 10; rest + digits >= most; most *= 10) digits++;
  size_t length = rest + digits;
  int start = sprintf((char *)at, "%zu %s=", length, key);
  memcpy(at + start, value, value_len);
  at[length - 1] = '\n';
  return length;
}

static size_t put_time(uint8_t *at, struct timespec time) {
  char text[32];
  int len = snprintf(text, sizeof text, "%lld.%09ld", (long long)time.tv_sec, time.tv_nsec);
  while (text[len - 1] == '0') len--;
  return put_record(at, "mtime", text, (size_t)len);
}

/* In the order of their keys. */
static size_t put_records(const struct plain_head *head, uint8_t *at) {
  size_t len = 0;
  if (head->type == PLAIN_SYMLINK && head->target_len > NAME_LEN)
    len += put_record(at + len, "linkpath", head->target, head->target_len);
  if (head->mtime.tv_nsec != 0) len += put_time(at + len, head->mtime);
  if (head->path_len > NAME_LEN) len += put_record(at + len, "path", head->path, head->path_len);
  return len;
}

/* Constant but for the size, so that it compresses away. */
static void write_extended_header(uint8_t *block, size_t size) {
  memset(block, 0, TAR_BLOCK);
  memcpy(block, "PaxHeader", 9);
  put_octal(block + 100, 7, 0644, '\0');
  put_octal(block + 108, 7, 0, '\0');
  put_octal(block + 116, 7, 0, '\0');
  put_octal(block + 124, 11, size, '\0');
  put_octal(block + 136, 11, 0, '\0');
  block[TYPE] = 'x';
  memcpy(block + MAGIC, "ustar\0" "00", 8);
  uint32_t sum = sum_of(block);
  put_octal(block + CHECKSUM, 6, sum, '\0');
}

size_t plain_head_write(const struct plain_head *head, uint8_t *out) {
  size_t records = put_records(head, out + TAR_BLOCK), at = 0;
  if (records > 0) {
    write_extended_header(out, records);
    at = TAR_BLOCK + (records + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
    memset(out + TAR_BLOCK + records, 0, at - TAR_BLOCK - records);
  }
  write_header(head, out + at);
  return at + TAR_BLOCK;
}
