#include "copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "contents.h"
#include "hash_behind.h"
#include "single.h"

/* Below this size the two calls that look for a hole cost more than writing it. */
enum { SPARSE_MIN = 64 * 1024 };
/* Below this size, a read and a write are faster than the splice that copy_file_range makes of them within ext4 (by a third). */
enum { RANGE_MIN = 256 * 1024 };
/* From this size on a thread that hashes is worth its start; hashing takes as long as reading and writing do. */
enum { BEHIND_MIN = 4 * 1024 * 1024 };
_Static_assert((int)HASH_BEHIND_BYTES == (int)CONTENT_BUFFER_BYTES, "a piece fits into either");

static const char zeros[64 * 1024];

int copier_init(struct copier *copier, bool hash, struct err *err) {
  *copier = (struct copier){0};
  copier->buffer = malloc(CONTENT_BUFFER_BYTES);
  if (copier->buffer == NULL) return err_set(err, ENOMEM, "malloc", NULL);
  if (!hash) return 0;
  copier->sha256 = sha256_new(err);
  return copier->sha256 == NULL ? -1 : 0;
}

void copier_free(struct copier *copier) {
  sha256_free(&copier->sha256);
  free(copier->buffer);
}

static int hash_bytes(struct copier *copier, const void *bytes, size_t len, struct err *err) {
  return copier->sha256 == NULL ? 0 : sha256_update(copier->sha256, bytes, len, err);
}

static int hash_zeros(struct copier *copier, off_t len, struct err *err) {
  for (; len > 0 && copier->sha256 != NULL; len -= (off_t)sizeof zeros) {
    size_t piece = len < (off_t)sizeof zeros ? (size_t)len : sizeof zeros;
    if (hash_bytes(copier, zeros, piece, err) < 0) return -1;
  }
  return 0;
}

/* Copies from the current offsets, at most `len` bytes; *done tells how many there were. */
static int pump(struct copier *copier, int from, int to, off_t len, off_t *done, const char *path, struct err *err) {
  for (*done = 0; *done < len;) {
    size_t want = len - *done < CONTENT_BUFFER_BYTES ? (size_t)(len - *done) : CONTENT_BUFFER_BYTES;
    ssize_t got = read(from, copier->buffer, want);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return err_sys(err, "read", path);
    if (got == 0) return 0;
    if (hash_bytes(copier, copier->buffer, (size_t)got, err) < 0) return -1;
    if (write_all(to, copier->buffer, (size_t)got) < 0) return err_sys(err, "write", path);
    *done += got;
  }
  return 0;
}

/* The same where the digest is taken by a thread. */
static int pump_ahead(struct hash_behind *behind, int from, int to, off_t len, const char *path, struct err *err) {
  for (off_t done = 0; done < len;) {
    char *buffer = hash_behind_buffer(behind);
    size_t want = len - done < HASH_BEHIND_BYTES ? (size_t)(len - done) : HASH_BEHIND_BYTES;
    ssize_t got = read(from, buffer, want);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return err_sys(err, "read", path);
    if (got == 0) return 0;
    hash_behind_add(behind, (size_t)got);
    if (write_all(to, buffer, (size_t)got) < 0) return err_sys(err, "write", path);
    done += got;
  }
  return 0;
}

static int copy_behind(struct hash_behind *behind, int from, off_t size, int to, const char *path, struct err *err) {
  struct err ignored = ERR_INIT;
  int failed = pump_ahead(behind, from, to, size, path, err);
  /* One failure is told: that of the copy, if it was that. */
  int hashed = hash_behind_end(&behind, failed < 0 ? &ignored : err);
  err_free(&ignored);
  return failed < 0 ? failed : hashed;
}

/* The announced size, and no read more just to meet the end; a file that tells no size (on /proc) is read until its end. */
static int copy_dense(struct copier *copier, int from, const struct stat *stat, int to, const char *path,
                      struct err *err) {
  off_t done, size = stat->st_size;
  if (size == 0) return pump(copier, from, to, INT64_MAX, &done, path, err);
  struct hash_behind *behind =
      copier->sha256 != NULL && size >= BEHIND_MIN ? hash_behind_start(copier->sha256) : NULL;
  if (behind != NULL) return copy_behind(behind, from, size, to, path, err);
  return pump(copier, from, to, size, &done, path, err);
}

/* One hole and the data behind it. Returns the offset where the data ends, or -1. */
static off_t copy_extent(struct copier *copier, int from, off_t at, off_t size, int to, const char *path,
                         struct err *err) {
  off_t done, data = lseek(from, at, SEEK_DATA);
  if (data < 0 && errno == ENXIO) data = size; /* only a hole is left */
  if (data < 0) return err_sys(err, "lseek", path);
  if (data > size) data = size;
  if (hash_zeros(copier, data - at, err) < 0) return -1;
  if (data == size) return size;
  off_t end = lseek(from, data, SEEK_HOLE);
  if (end < 0) return err_sys(err, "lseek", path);
  if (end > size) end = size;
  if (lseek(from, data, SEEK_SET) < 0 || lseek(to, data, SEEK_SET) < 0) return err_sys(err, "lseek", path);
  if (pump(copier, from, to, end - data, &done, path, err) < 0) return -1;
  /* The source was truncated under us: what is missing reads as zeros in the copy. */
  return hash_zeros(copier, end - data - done, err) < 0 ? -1 : end;
}

static int copy_sparse(struct copier *copier, int from, const struct stat *stat, int to, const char *path,
                       struct err *err) {
  for (off_t at = 0; at < stat->st_size;) {
    at = copy_extent(copier, from, at, stat->st_size, to, path, err);
    if (at < 0) return -1;
  }
  return ftruncate(to, stat->st_size) < 0 ? err_sys(err, "ftruncate", path) : 0;
}

static bool is_sparse(const struct stat *stat) {
  return stat->st_size >= SPARSE_MIN && stat->st_blocks * 512 < stat->st_size;
}

/* Errors by which a kernel or file system says that it cannot do it for this pair. */
static bool is_unable(int code) {
  return code == EOPNOTSUPP || code == EXDEV || code == EINVAL || code == ENOSYS || code == ENOTTY || code == EPERM ||
         code == ETXTBSY;
}

/* 1: cloned; 0: has to be copied. */
static int try_clone(struct copier *copier, int from, const struct stat *stat, int to, const char *path,
                     struct err *err) {
  if (copier->no_clone || stat->st_size == 0) return 0;
  if (ioctl(to, FICLONE, from) == 0) return 1;
  if (!is_unable(errno)) return err_sys(err, "ioctl", path);
  copier->no_clone = true;
  return 0;
}

/* 1: copied inside the kernel; 0: nothing was done. */
static int try_range(struct copier *copier, int from, const struct stat *stat, int to, const char *path,
                     struct err *err) {
  if (copier->no_range || copier->sha256 != NULL || stat->st_size < RANGE_MIN) return 0;
  for (off_t done = 0; done < stat->st_size;) {
    ssize_t moved = copy_file_range(from, NULL, to, NULL, (size_t)(stat->st_size - done), 0);
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0 && (done > 0 || !is_unable(errno))) return err_sys(err, "copy_file_range", path);
    if (moved < 0) copier->no_range = true;
    if (moved <= 0) return done > 0;
    done += moved;
  }
  return 1;
}

static int hash_written(struct copier *copier, int to, const char *path, struct err *err) {
  for (;;) {
    ssize_t got = contents_fill(to, copier->buffer, CONTENT_BUFFER_BYTES);
    if (got < 0) return err_sys(err, "read", path);
    if (got == 0) return 0;
    if (hash_bytes(copier, copier->buffer, (size_t)got, err) < 0) return -1;
  }
}

static int copy_bytes(struct copier *copier, int from, const struct stat *stat, int to, const char *path,
                      struct err *err) {
  int cloned = try_clone(copier, from, stat, to, path, err);
  if (cloned < 0) return -1;
  if (cloned > 0) return copier->sha256 == NULL ? 0 : hash_written(copier, to, path, err);
  if (is_sparse(stat)) return copy_sparse(copier, from, stat, to, path, err);
  int moved = try_range(copier, from, stat, to, path, err);
  if (moved != 0) return moved < 0 ? -1 : 0;
  return copy_dense(copier, from, stat, to, path, err);
}

int copier_copy(struct copier *copier, int from, const struct stat *stat, int to, uint8_t digest[SHA256_BYTES],
                const char *path, struct err *err) {
  if (copier->sha256 != NULL && sha256_begin(copier->sha256, err) < 0) return -1;
  if (copy_bytes(copier, from, stat, to, path, err) < 0) return -1;
  return copier->sha256 == NULL ? 0 : sha256_end(copier->sha256, digest, err);
}
