#include "contents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "sha256.h"

int contents_check_paths(const char *paths, size_t len, uint32_t count, struct err *err) {
  uint32_t found = 0;
  for (size_t i = 0; i < len; i++) found += paths[i] == '\0';
  bool ended = len == 0 || paths[len - 1] == '\0';
  return found == count && ended ? 0 : err_detail(err, EINVAL, "paths", NULL, "a path holds a NUL");
}

static int not_regular(const char *path, struct err *err) {
  return err_detail(err, EINVAL, "fstat", path, "not a regular file");
}

int contents_open(struct parent *parent, const char *path, struct stat *stat, struct err *err) {
  if (parent_open(parent, path, err) < 0) return -1;
  /* Merely opening a device does things (a watchdog starts), so it is looked at before as well as after. */
  if (fstatat(parent->fd, parent->name, stat, AT_SYMLINK_NOFOLLOW) < 0) return err_sys(err, "openat", path);
  if (S_ISLNK(stat->st_mode)) return err_set(err, ELOOP, "openat", path);
  if (!S_ISREG(stat->st_mode)) return not_regular(path, err);
  cleanup_fd int fd =
      openat(parent->fd, parent->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return err_sys(err, "openat", path);
  if (fstat(fd, stat) < 0) return err_sys(err, "fstat", path);
  return S_ISREG(stat->st_mode) ? take_fd(&fd) : not_regular(path, err);
}

ssize_t contents_fill(int fd, void *buffer, size_t len) {
  size_t filled = 0;
  while (filled < len) {
    ssize_t got = read(fd, (char *)buffer + filled, len - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    filled += (size_t)got;
  }
  return (ssize_t)filled;
}

/*
 * Reads until the end of the file, except that a file whose announced size was reached needs no further read to tell: for small
 * files that is half of the calls.
 */
static int hash_file(struct sha256 *sha256, int fd, const struct stat *stat, char *buffer, const char *path,
                     struct err *err) {
  if (sha256_begin(sha256, err) < 0) return -1;
  for (off_t done = 0;;) {
    ssize_t got = read(fd, buffer, CONTENT_BUFFER_BYTES);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return err_sys(err, "read", path);
    if (sha256_update(sha256, buffer, (size_t)got, err) < 0) return -1;
    done += got;
    if (got == 0 || done == stat->st_size) return 0;
  }
}

int contents_hash_range(struct sha256 *sha256, int fd, uint64_t offset, uint64_t len, struct err *err) {
  cleanup_free char *buffer = malloc(CONTENT_BUFFER_BYTES);
  if (buffer == NULL) return err_set(err, ENOMEM, "malloc", NULL);
  while (len > 0) {
    ssize_t got = pread(fd, buffer, len < CONTENT_BUFFER_BYTES ? (size_t)len : CONTENT_BUFFER_BYTES, (off_t)offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return err_sys(err, "pread", NULL);
    if (got == 0) return err_detail(err, EIO, "pread", NULL, "the file has become shorter");
    if (sha256_update(sha256, buffer, (size_t)got, err) < 0) return -1;
    offset += (uint64_t)got;
    len -= (uint64_t)got;
  }
  return 0;
}

struct hashing {
  struct parent parent;
  struct sha256 *sha256;
  char *buffer;
  struct buf *out;
};

static int hash_one(struct hashing *hashing, const char *path, struct err *err) {
  struct stat stat;
  uint8_t digest[SHA256_BYTES];
  cleanup_fd int fd = contents_open(&hashing->parent, path, &stat, err);
  if (fd < 0) return -1;
  if (hash_file(hashing->sha256, fd, &stat, hashing->buffer, path, err) < 0) return -1;
  if (sha256_end(hashing->sha256, digest, err) < 0) return -1;
  return buf_append(hashing->out, digest, sizeof digest, err);
}

int contents_hash(int root, const char *paths, uint32_t count, struct buf *out, struct err *err) {
  struct sha256 *sha256 cleanup_with(sha256_free) = sha256_new(err);
  cleanup_free char *buffer = malloc(CONTENT_BUFFER_BYTES);
  struct hashing hashing = {.sha256 = sha256, .buffer = buffer, .out = out};
  if (sha256 == NULL) return -1;
  if (buffer == NULL) return err_set(err, ENOMEM, "malloc", NULL);
  parent_init(&hashing.parent, root, LINKS_REFUSE);
  int failed = buf_reserve(out, (size_t)count * SHA256_BYTES, err);
  for (uint32_t i = 0; i < count && failed == 0; i++, paths += strlen(paths) + 1) {
    failed = hash_one(&hashing, paths, err);
    if (failed < 0) err->index = i;
  }
  parent_free(&hashing.parent);
  return failed;
}

int contents_append(int fd, const struct stat *stat, uint64_t max, const char *path, struct buf *out, struct err *err) {
  uint64_t size = (uint64_t)stat->st_size, start = out->len;
  if (size > max) return err_set(err, EFBIG, "fstat", path);
  for (size_t room = (size_t)size + 1;; room = 64 * 1024) {
    if (buf_reserve(out, room, err) < 0) return -1;
    ssize_t got = contents_fill(fd, out->data + out->len, room);
    if (got < 0) return err_sys(err, "read", path);
    out->len += (size_t)got;
    if (out->len - start > max) return err_set(err, EFBIG, "read", path);
    if ((size_t)got < room) return 0;
  }
}

static int read_one(struct parent *parent, const char *path, uint64_t max, struct buf *out, struct err *err) {
  struct stat stat;
  uint64_t len = 0;
  size_t start = out->len;
  cleanup_fd int fd = contents_open(parent, path, &stat, err);
  if (fd < 0 || buf_append(out, &len, sizeof len, err) < 0) return -1;
  if (contents_append(fd, &stat, max, path, out, err) < 0) return -1;
  len = out->len - start - sizeof len;
  memcpy(out->data + start, &len, sizeof len);
  return 0;
}

int contents_read(int root, const char *paths, uint32_t count, uint64_t max_each, struct buf *out, struct err *err) {
  struct parent parent;
  int failed = 0;
  parent_init(&parent, root, LINKS_REFUSE);
  for (uint32_t i = 0; i < count && failed == 0; i++, paths += strlen(paths) + 1) {
    failed = read_one(&parent, paths, max_each, out, err);
    if (failed < 0) err->index = i;
  }
  parent_free(&parent);
  return failed;
}
