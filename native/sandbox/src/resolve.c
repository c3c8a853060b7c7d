#define _GNU_SOURCE
#include "resolve.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "sys.h"

int open_beneath(int dir, const char *path, struct err *err) {
  int fd = sys_openat2(dir, path[0] == '\0' ? "." : path, O_PATH | O_CLOEXEC, RESOLVE_INSIDE);
  if (fd >= 0) return fd;
  /* A descriptor of a file has no "." below it. */
  if (errno == ENOTDIR && path[0] == '\0') fd = fcntl(dir, F_DUPFD_CLOEXEC, 0);
  return fd >= 0 ? fd : fail(err, "openat2", path);
}

int open_in_root(const struct sandbox *sb, const char *path, struct err *err) {
  if (sb->root < 0) return fail_with(err, EINVAL, "openat2", "the root is not mounted yet");
  int fd = sys_openat2(sb->root, path, O_PATH | O_CLOEXEC, RESOLVE_INSIDE);
  return fd >= 0 ? fd : fail(err, "openat2", path);
}

int open_parent(const struct sandbox *sb, const char *path, const char **name, struct err *err) {
  char parent[PATH_MAX];
  const char *slash = strrchr(path, '/');
  size_t size = slash == NULL ? 0 : (size_t)(slash - path);
  *name = slash == NULL ? path : slash + 1;
  if (size >= sizeof parent) return fail_with(err, ENAMETOOLONG, "openat2", path);
  if ((*name)[0] == '\0' || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0)
    return fail_with(err, EINVAL, "openat2", path);
  memcpy(parent, path, size);
  parent[size] = '\0';
  return open_in_root(sb, size == 0 ? "/" : parent, err);
}
