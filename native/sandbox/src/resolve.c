#define _GNU_SOURCE
#include "resolve.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
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

/* Where a descriptor leads, as this process sees it; false when that does not fit or there is no /proc. */
static bool path_of(int fd, char path[PATH_MAX]) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, PATH_MAX);
  if (size < 0 || size == PATH_MAX) return false;
  path[size] = '\0';
  return true;
}

static bool is_below(const char *path, const char *folder) {
  size_t size = strlen(folder);
  return strncmp(path, folder, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

/* What cannot be told apart counts as the runtime's. */
static bool is_of_runtime(const struct sandbox *sb, int target) {
  static const char *const taken[] = {"/proc", "/dev", "/sys"};
  char root[PATH_MAX], path[PATH_MAX];
  if (!path_of(sb->root, root) || !path_of(target, path) || !is_below(path, root)) return true;
  const char *rest = path + strlen(root);
  if (rest[0] == '\0') return true;
  for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
    if (is_below(rest, taken[i])) return true;
  return false;
}

int open_target(const struct sandbox *sb, const char *path, struct err *err) {
  int target = open_in_root(sb, path, err);
  if (target < 0 || sb->aside == NULL || !is_of_runtime(sb, target)) return target;
  close(target);
  return fail_with(err, EBUSY, "mount target", path);
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
