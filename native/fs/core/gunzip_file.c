#include "gunzip_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inflate.h"
#include "plain_header.h"

/* Large enough that a read costs nothing, small enough to stay in a core's cache. */
enum { IN_BYTES = 128 * 1024, STEP_BYTES = 16 * 1024 * 1024, MAGIC_BYTES = 3 };

struct gunzip_file {
  int fd;
  struct inflater *inflater;
  struct sha256 *sha256;
  uint64_t at; /* in the file: what was read */
  uint64_t size, max;
  size_t in_from, in_to;   /* of the input: read, not inflated */
  size_t out_from, out_to; /* of the output: inflated, not taken */
  bool is_between;         /* members of gzip: another one may follow */
  bool was_full;           /* the output: the inflater may have more for it */
  bool has_ended;
  uint8_t in[IN_BYTES];
};

struct gunzip_file *gunzip_file_new(int fd, uint64_t max, struct err *err) {
  struct gunzip_file *file = calloc(1, sizeof *file);
  if (file == NULL) {
    err_set(err, ENOMEM, "calloc", NULL);
    return NULL;
  }
  file->fd = fd;
  file->max = max;
  /* No check of what a digest is taken of. */
  file->inflater = inflater_new(inflate_best(), false, err);
  if (file->inflater != NULL) file->sha256 = sha256_new(err);
  if (file->sha256 == NULL || sha256_begin(file->sha256, err) < 0) gunzip_file_free(&file);
  return file;
}

void gunzip_file_free(struct gunzip_file **file) {
  if (*file == NULL) return;
  inflater_free(&(*file)->inflater);
  sha256_free(&(*file)->sha256);
  free(*file);
  *file = NULL;
}

int gunzip_file_digest(struct gunzip_file *file, uint8_t digest[SHA256_BYTES], struct err *err) {
  return sha256_end(file->sha256, digest, err);
}

uint64_t gunzip_file_read(const struct gunzip_file *file) {
  return file->at;
}

uint64_t gunzip_file_size(const struct gunzip_file *file) {
  return file->size;
}

/* ---- the input ---- */

static int damaged(struct err *err, const char *why) {
  return err_detail(err, EILSEQ, "gunzip", NULL, why);
}

/* Behind what is there of the input. 0: the file, `size` bytes long so far, has been read. */
static int read_more(struct gunzip_file *file, uint64_t size, struct err *err) {
  memmove(file->in, file->in + file->in_from, file->in_to - file->in_from);
  file->in_to -= file->in_from;
  file->in_from = 0;
  size_t room = IN_BYTES - file->in_to;
  if (size <= file->at || room == 0) return 0;
  size_t wanted = size - file->at < room ? (size_t)(size - file->at) : room;
  ssize_t count;
  do count = pread(file->fd, file->in + file->in_to, wanted, (off_t)file->at);
  while (count < 0 && errno == EINTR);
  if (count < 0) return err_sys(err, "pread", NULL);
  if (count == 0) return err_detail(err, EIO, "pread", NULL, "the file is shorter than what was written of it");
  file->in_to += (size_t)count;
  file->at += (uint64_t)count;
  return 1;
}

static bool is_zeros(const uint8_t *bytes, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (bytes[i] != 0) return false;
  return true;
}

/* Another member, or nothing, or the zeros of padding. 0: more has to come before that can be told. */
static int between(struct gunzip_file *file, uint64_t size, bool is_whole, struct err *err) {
  static const uint8_t magic[MAGIC_BYTES] = {0x1f, 0x8b, 8};
  int more = 1;
  while (more > 0 && file->in_to - file->in_from < MAGIC_BYTES) more = read_more(file, size, err);
  if (more < 0) return -1;
  size_t len = file->in_to - file->in_from;
  if (len < MAGIC_BYTES && !is_whole) return 0;
  const uint8_t *bytes = file->in + file->in_from;
  if (len >= MAGIC_BYTES && memcmp(bytes, magic, MAGIC_BYTES) == 0)
    file->is_between = false;
  else if (is_zeros(bytes, len < MAGIC_BYTES ? len : MAGIC_BYTES))
    file->has_ended = true;
  else
    return damaged(err, "something that is not gzip follows it");
  return 1;
}

/* 1: there is something to inflate; 0: there will be; a file that ends here is cut. */
static int input(struct gunzip_file *file, uint64_t size, bool is_whole, struct err *err) {
  if (file->in_from < file->in_to || file->was_full) return 1;
  int more = read_more(file, size, err);
  return more == 0 && is_whole ? damaged(err, "it ends too early") : more;
}

/* ---- the output ---- */

static int inflate_some(struct gunzip_file *file, uint8_t *out, size_t room, struct err *err) {
  struct inflate_step step;
  uint8_t *to = out + file->out_to;
  if (inflater_run(file->inflater, file->in + file->in_from, file->in_to - file->in_from, to, room - file->out_to, &step, err) < 0)
    return -1;
  file->in_from += step.consumed;
  file->out_to += step.produced;
  file->size += step.produced;
  file->is_between = step.ended;
  file->was_full = file->out_to == room && !step.ended;
  if (file->size > file->max) return err_set(err, EFBIG, "gunzip", NULL);
  return sha256_update(file->sha256, to, step.produced, err);
}

/* Fills the output as far as the input goes. */
static int fill(struct gunzip_file *file, uint64_t size, bool is_whole, uint8_t *out, size_t room, struct err *err) {
  memmove(out, out + file->out_from, file->out_to - file->out_from);
  file->out_to -= file->out_from;
  file->out_from = 0;
  while (file->out_to < room && !file->has_ended) {
    int ready = file->is_between ? between(file, size, is_whole, err) : input(file, size, is_whole, err);
    if (ready <= 0) return ready;
    if (!file->is_between && !file->has_ended && inflate_some(file, out, room, err) < 0) return -1;
  }
  return 0;
}

/* True: what is left is for the caller. It is not when it may be the beginning of a plain header. */
static int take(struct gunzip_file *file, struct members *members, const uint8_t *out, struct gunzip_step *step, bool *is_given,
                struct err *err) {
  struct members_step done;
  size_t len = file->out_to - file->out_from;
  *is_given = len > 0 && members == NULL;
  if (len == 0 || members == NULL) return 0;
  if (members_step(members, out + file->out_from, len, &done, err) < 0) return -1;
  file->out_from += done.consumed;
  step->made += done.made;
  len -= done.consumed;
  *is_given = len >= PLAIN_HEADER_MAX || (len > 0 && file->has_ended);
  return 0;
}

static int give(struct gunzip_file *file, struct gunzip_step *step) {
  step->state = GUNZIP_GIVES;
  step->from = file->out_from;
  step->to = file->out_to;
  file->out_from = file->out_to;
  return 0;
}

int gunzip_file_step(struct gunzip_file *file, struct members *members, uint64_t size, bool is_whole, uint8_t *out, size_t room,
                     struct gunzip_step *step, struct err *err) {
  uint64_t before = file->size;
  *step = (struct gunzip_step){0};
  if (room < GUNZIP_OUT_MIN || room < file->out_to) return err_set(err, EINVAL, "gunzip", NULL);
  for (;;) {
    bool is_given;
    uint64_t reached = file->size, read = file->at;
    if (take(file, members, out, step, &is_given, err) < 0) return -1;
    if (is_given) return give(file, step);
    step->state = file->has_ended ? GUNZIP_ENDED : GUNZIP_PAUSED;
    if (file->has_ended || file->size - before >= STEP_BYTES) return 0;
    if (fill(file, size, is_whole, out, room, err) < 0) return -1;
    step->state = GUNZIP_WAITS;
    if (file->size == reached && file->at == read && !file->has_ended) return 0;
  }
}
