/* Archives, whole and damaged, for what makes the plain members of one. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../core/cleanup.h"
#include "../../core/gunzip_file.h"
#include "../../core/members.h"
#include "../../core/plain_header.h"
#include "../../core/single.h"

#include "support.h"

enum { ARCHIVE_BLOCKS = 24, ARCHIVE_BYTES = ARCHIVE_BLOCKS * TAR_BLOCK };

static void set_checksum(uint8_t *block) {
  unsigned sum = 0;
  memset(block + 148, ' ', 8);
  for (size_t at = 0; at < TAR_BLOCK; at++) sum += block[at];
  snprintf((char *)block + 148, 7, "%06o", sum);
}

static void make_header(uint8_t *block, char type, const char *name, unsigned size) {
  memset(block, 0, TAR_BLOCK);
  memcpy(block, name, strlen(name));
  for (const unsigned *at = (const unsigned[]){100, 108, 116, 329, 337, 0}; *at != 0; at++) memcpy(block + *at, "0000644", 7);
  snprintf((char *)block + 124, 12, "%011o", size);
  memcpy(block + 136, "00000000017", 11);
  block[156] = (uint8_t)type;
  memcpy(block + 157, "f/one", 5);
  memcpy(block + 257, "ustar\0" "00", 8);
  set_checksum(block);
}

/* A folder, a file, an extended header with its file, and links; ids that are kept by whoever runs this. */
static void make_archive(uint8_t bytes[ARCHIVE_BYTES]) {
  static const char records[] = "30 mtime=1234567890.123456789\n16 path=f/named\n12 ctime=17\n";
  memset(bytes, 0, ARCHIVE_BYTES);
  make_header(bytes, '5', "./f/", 0);
  make_header(bytes + TAR_BLOCK, '0', "f/one", 700);
  make_header(bytes + 4 * TAR_BLOCK, 'x', "pax", sizeof records - 1);
  memcpy(bytes + 5 * TAR_BLOCK, records, sizeof records - 1);
  make_header(bytes + 6 * TAR_BLOCK, '0', "f/two", 513);
  make_header(bytes + 9 * TAR_BLOCK, '2', "f/link", 0);
  make_header(bytes + 10 * TAR_BLOCK, '1', "f/hard", 0);
  make_header(bytes + 11 * TAR_BLOCK, '0', "f/empty", 0);
}

/* A few bytes are others; mostly checksums are right again, or nothing behind them would be looked at. */
static void damage_archive(uint8_t bytes[ARCHIVE_BYTES]) {
  for (uint64_t changes = next_random() % 4; changes > 0; changes--) {
    size_t at = next_random() % (13 * TAR_BLOCK);
    bytes[at] = next_random() % 2 ? (uint8_t)next_random() : (uint8_t)"0./=\n 7"[next_random() % 7];
    if (next_random() % 8 != 0) set_checksum(bytes + at / TAR_BLOCK * TAR_BLOCK);
  }
}

/* In pieces of memory that end where the piece does. Returns how many members there were. */
static uint32_t unpack(int root, const uint8_t *bytes, size_t len, size_t piece) {
  struct err err = ERR_INIT;
  uint32_t made = 0;
  struct members *members = members_new(root, &err);
  if (members == NULL) exit(1);
  for (size_t at = 0; at < len;) {
    struct members_step step;
    size_t size = len - at < piece ? len - at : piece;
    cleanup_free uint8_t *copy = malloc(size);
    if (copy == NULL) exit(1);
    memcpy(copy, bytes + at, size);
    if (members_step(members, copy, size, &step, &err) < 0) break;
    made += step.made;
    at += step.consumed;
    if (step.consumed == 0 && (piece += TAR_BLOCK) > ARCHIVE_BYTES) break;
  }
  struct buf taken[] = {members_folders(members), members_others(members)};
  for (size_t i = 0; i < 2; i++) buf_free(&taken[i]);
  err_free(&err);
  members_free(&members);
  return made;
}

/* `bytes` as a file of members such as inflate_none.c reads; now and then what is behind them is damaged, or missing. */
static int packed_file(const uint8_t *bytes, size_t len, bool is_whole) {
  int fd = memfd_create("packed", MFD_CLOEXEC);
  for (size_t at = 0; at < len;) {
    size_t size = 1 + next_random() % (len - at);
    const uint8_t head[] = {0x1f, 0x8b, 8, (uint8_t)(size >> 8), (uint8_t)size};
    if (write_all(fd, head, sizeof head) < 0 || write_all(fd, bytes + at, size) < 0) exit(1);
    at += size;
  }
  static const uint8_t zeros[300];
  if (write_all(fd, zeros, next_random() % sizeof zeros) < 0) exit(1);
  off_t end = lseek(fd, 0, SEEK_END);
  uint8_t other = (uint8_t)next_random();
  if (!is_whole && next_random() % 2 && pwrite(fd, &other, 1, (off_t)(next_random() % (uint64_t)end)) != 1) exit(1);
  if (!is_whole && next_random() % 4 == 0 && ftruncate(fd, (off_t)(next_random() % (uint64_t)end)) < 0) exit(1);
  return fd;
}

/* A file that grows, whose bytes go to members where they begin one. Returns how many were made. */
static uint32_t unpack_file(int root, int fd, bool is_whole) {
  struct err err = ERR_INIT;
  uint32_t made = 0;
  uint64_t size = 0, end = (uint64_t)lseek(fd, 0, SEEK_END);
  cleanup_free uint8_t *out = malloc(GUNZIP_OUT_MIN);
  struct members *members = members_new(root, &err);
  struct gunzip_file *file = gunzip_file_new(fd, is_whole ? UINT64_MAX : next_random() % (2 * ARCHIVE_BYTES), &err);
  struct gunzip_step step = {.state = GUNZIP_WAITS};
  if (out == NULL || members == NULL || file == NULL) exit(1);
  while (step.state != GUNZIP_ENDED) {
    if (step.state == GUNZIP_WAITS) size += next_random() % (end - size + 1);
    struct members *taker = is_whole || next_random() % 4 != 0 ? members : NULL;
    if (gunzip_file_step(file, taker, size, size == end, out, GUNZIP_OUT_MIN, &step, &err) < 0) break;
    made += step.made;
  }
  err_free(&err);
  gunzip_file_free(&file);
  members_free(&members);
  return made;
}

static void expect_made(uint32_t made, const char *how) {
  if (made == 6) return;
  fprintf(stderr, "of 6 plain members %u were made %s\n", made, how);
  exit(1);
}

void archives(int root, long rounds) {
  struct err err = ERR_INIT;
  uint8_t bytes[ARCHIVE_BYTES];
  cleanup_free struct plain_header *header = malloc(sizeof *header);
  if (header == NULL) exit(1);
  for (long round = 0; round < rounds; round++) {
    make_archive(bytes);
    if (round > 0) damage_archive(bytes);
    for (size_t at = 0; at < ARCHIVE_BYTES; at += TAR_BLOCK) plain_header_read(header, bytes + at, ARCHIVE_BYTES - at);
    check(single_remove(root, "f", &err), "remove", &err);
    uint32_t made = unpack(root, bytes, ARCHIVE_BYTES, 1 + next_random() % (2 * ARCHIVE_BYTES));
    if (round == 0) expect_made(made, "in pieces");
    check(single_remove(root, "f", &err), "remove", &err);
    cleanup_fd int fd = packed_file(bytes, ARCHIVE_BYTES, round == 0);
    made = unpack_file(root, fd, round == 0);
    if (round == 0) expect_made(made, "of a file");
  }
}
