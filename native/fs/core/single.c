#include "single.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cleanup.h"
#include "contents.h"
#include "names.h"
#include "remove.h"
#include "resolve.h"

static bool is_missing(int code) {
  return code == ENOENT || code == ENOTDIR;
}

static int open_parent(struct parent *parent, int root, const char *path, struct err *err) {
  parent_init(parent, root, LINKS_FOLLOW);
  return parent_open(parent, path, err);
}

int single_stat(int root, const char *path, bool follow, struct statx *stat, struct err *err) {
  uint64_t flags = O_PATH | (follow ? 0 : O_NOFOLLOW);
  cleanup_fd int fd = resolve_open(root, path, flags, 0, LINKS_FOLLOW, err);
  if (fd < 0) return is_missing(err->code) ? 0 : -1;
  return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, stat) < 0 ? err_sys(err, "statx", path) : 1;
}

int single_readlink(int root, const char *path, struct buf *out, struct err *err) {
  cleanup_fd int fd = resolve_open(root, path, O_PATH | O_NOFOLLOW, 0, LINKS_FOLLOW, err);
  if (fd < 0 || buf_reserve(out, PATH_MAX, err) < 0) return -1;
  ssize_t len = readlinkat(fd, "", (char *)out->data + out->len, PATH_MAX);
  /* ENOENT here means that an empty path was not taken for the descriptor: it is no link. */
  if (len < 0) return err_set(err, errno == ENOENT ? EINVAL : errno, "readlinkat", path);
  out->len += (size_t)len;
  return 0;
}

int single_list(int root, const char *path, struct buf *out, struct err *err) {
  struct names names cleanup_with(names_free) = {0};
  cleanup_fd int fd = resolve_open(root, path, O_RDONLY | O_DIRECTORY, 0, LINKS_FOLLOW, err);
  if (fd < 0 || names_read(&names, fd, path, err) < 0) return -1;
  for (size_t i = 0; i < names.count; i++)
    if (buf_append(out, names.list[i].text, strlen(names.list[i].text) + 1, err) < 0) return -1;
  return 0;
}

static int check_regular(int fd, struct stat *stat, const char *path, struct err *err) {
  if (fstat(fd, stat) < 0) return err_sys(err, "fstat", path);
  if (S_ISDIR(stat->st_mode)) return err_set(err, EISDIR, "read", path);
  return S_ISREG(stat->st_mode) ? 0 : err_detail(err, EINVAL, "fstat", path, "not a regular file");
}

int single_read(int root, const char *path, uint64_t max, struct buf *out, struct err *err) {
  struct stat stat;
  /* First without opening what is there: that alone sets some devices going. */
  cleanup_fd int seen = resolve_open(root, path, O_PATH, 0, LINKS_FOLLOW, err);
  if (seen < 0) return is_missing(err->code) ? 0 : -1;
  if (check_regular(seen, &stat, path, err) < 0) return -1;
  cleanup_fd int fd = resolve_open(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, LINKS_FOLLOW, err);
  if (fd < 0) return is_missing(err->code) ? 0 : -1;
  if (check_regular(fd, &stat, path, err) < 0) return -1;
  return contents_append(fd, &stat, max, path, out, err) < 0 ? -1 : 1;
}

int write_all(int fd, const void *bytes, size_t len) {
  for (const char *at = bytes; len > 0;) {
    ssize_t put = write(fd, at, len);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return -1;
    at += put;
    len -= (size_t)put;
  }
  return 0;
}

static int set_node(int fd, const struct node *node, const char *path, struct err *err) {
  struct timespec times[2] = {node->mtime, node->mtime};
  if (fchown(fd, node->uid, node->gid) < 0) return err_owner(err, "fchown", path, node->uid, node->gid);
  if (fchmod(fd, node->mode) < 0) return err_sys(err, "fchmod", path);
  return node->has_mtime && futimens(fd, times) < 0 ? err_sys(err, "futimens", path) : 0;
}

static int temporary_name(char *out, size_t size, struct err *err) {
  uint64_t random;
  if (getrandom(&random, sizeof random, 0) != sizeof random) return err_sys(err, "getrandom", NULL);
  snprintf(out, size, ".tsbuild-%016llx", (unsigned long long)random);
  return 0;
}

static int fill_temporary(int dir, const char *name, const void *bytes, size_t len, const struct node *node,
                          const char *path, struct err *err) {
  cleanup_fd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return err_sys(err, "openat", path);
  if (write_all(fd, bytes, len) < 0) return err_sys(err, "write", path);
  return set_node(fd, node, path, err);
}

int single_write(int root, const char *path, const void *bytes, size_t len, const struct node *node, struct err *err) {
  struct parent parent cleanup_with(parent_free);
  char name[64];
  if (open_parent(&parent, root, path, err) < 0 || temporary_name(name, sizeof name, err) < 0) return -1;
  int failed = fill_temporary(parent.fd, name, bytes, len, node, path, err);
  if (failed == 0 && renameat(parent.fd, name, parent.fd, parent.name) < 0) failed = err_sys(err, "renameat", path);
  if (failed < 0) unlinkat(parent.fd, name, 0); /* the failure that is reported is the first one */
  return failed;
}

int single_symlink(int root, const char *path, const char *target, const struct node *node, struct err *err) {
  struct parent parent cleanup_with(parent_free);
  struct timespec times[2] = {node->mtime, node->mtime};
  if (open_parent(&parent, root, path, err) < 0) return -1;
  if (symlinkat(target, parent.fd, parent.name) < 0) return err_sys(err, "symlinkat", path);
  if (fchownat(parent.fd, parent.name, node->uid, node->gid, AT_SYMLINK_NOFOLLOW) < 0)
    return err_owner(err, "fchownat", path, node->uid, node->gid);
  if (!node->has_mtime) return 0;
  int failed = utimensat(parent.fd, parent.name, times, AT_SYMLINK_NOFOLLOW);
  return failed < 0 ? err_sys(err, "utimensat", path) : 0;
}

int single_remove(int root, const char *path, struct err *err) {
  struct parent parent cleanup_with(parent_free);
  if (open_parent(&parent, root, path, err) < 0) return is_missing(err->code) ? 0 : -1;
  return remove_entry(parent.fd, parent.name, path, err);
}

int single_times(int root, const char *path, const struct timespec times[2], struct err *err) {
  struct parent parent cleanup_with(parent_free);
  if (open_parent(&parent, root, path, err) < 0) return -1;
  int failed = utimensat(parent.fd, parent.name, times, AT_SYMLINK_NOFOLLOW);
  return failed < 0 ? err_sys(err, "utimensat", path) : 0;
}

int single_owner(int root, const char *path, const struct node *node, struct err *err) {
  struct parent parent cleanup_with(parent_free);
  struct stat stat;
  if (open_parent(&parent, root, path, err) < 0) return -1;
  if (fchownat(parent.fd, parent.name, node->uid, node->gid, AT_SYMLINK_NOFOLLOW) < 0)
    return err_owner(err, "fchownat", path, node->uid, node->gid);
  if (!node->has_mode) return 0;
  if (fstatat(parent.fd, parent.name, &stat, AT_SYMLINK_NOFOLLOW) < 0) return err_sys(err, "fstatat", path);
  if (S_ISLNK(stat.st_mode)) return 0;
  int failed = fchmodat(parent.fd, parent.name, node->mode, AT_SYMLINK_NOFOLLOW);
  return failed < 0 ? err_sys(err, "fchmodat", path) : 0;
}

int single_sync_fs(int fd, struct err *err) {
  /* syncfs refuses O_PATH descriptors, which ours mostly are. */
  cleanup_fd int folder = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0 && errno != ENOTDIR) return err_sys(err, "openat", NULL);
  return syncfs(folder < 0 ? fd : folder) < 0 ? err_sys(err, "syncfs", NULL) : 0;
}

void single_forget(int fd, off_t from, off_t len) {
  (void)posix_fadvise(fd, from, len, POSIX_FADV_DONTNEED);
}

int single_sync_folder(const char *path, struct err *err) {
  cleanup_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return err_sys(err, "open", path);
  return fsync(fd) < 0 ? err_sys(err, "fsync", path) : 0;
}
