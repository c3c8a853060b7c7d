#include "mkdirs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "resolve.h"

/* The kernel's own bound on links in one path. */
enum { LINKS_MAX = 40 };

/* One folder with exact owner and mode; EEXIST among other failures. */
static int mkdir_exact(int parent, const char *name, const struct mkdir_options *options, struct err *err) {
  if (mkdirat(parent, name, 0700) < 0) return err_sys(err, "mkdirat", name);
  cleanup_fd int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return err_sys(err, "openat", name);
  if (fchown(fd, options->uid, options->gid) < 0) return err_owner(err, "fchown", name, options->uid, options->gid);
  if (fchmod(fd, options->mode) < 0) return err_sys(err, "fchmod", name);
  return 0;
}

struct maker {
  int root;
  const struct mkdir_options *options;
  struct buf *made;
  int links;
};

static int make_path(struct maker *maker, const char *path, struct err *err);

/* `path` names a link to nothing: makes what it points to. */
static int make_target(struct maker *maker, const char *path, int parent, const char *name, struct err *err) {
  char target[PATH_MAX];
  ssize_t len = readlinkat(parent, name, target, sizeof target - 1);
  if (len < 0) return errno == EINVAL ? err_set(err, ENOTDIR, "mkdirat", path) : err_sys(err, "readlinkat", path);
  if (++maker->links > LINKS_MAX) return err_set(err, ELOOP, "readlinkat", path);
  target[len] = '\0';
  size_t folder = target[0] == '/' ? 0 : strlen(path) - strlen(name);
  cleanup_free char *joined = malloc(folder + (size_t)len + 1);
  if (joined == NULL) return err_set(err, ENOMEM, "malloc", NULL);
  memcpy(joined, path, folder);
  memcpy(joined + folder, target, (size_t)len + 1);
  return make_path(maker, joined, err);
}

/* Makes the last name of `path`; all before it exists. */
static int make_last(struct maker *maker, const char *path, struct err *err) {
  struct parent parent cleanup_with(parent_free);
  parent_init(&parent, maker->root, LINKS_FOLLOW);
  if (parent_open(&parent, path, err) < 0) return -1;
  if (mkdir_exact(parent.fd, parent.name, maker->options, err) == 0)
    return buf_append(maker->made, path, strlen(path) + 1, err);
  if (err->code != EEXIST) return err_set(err, err->code, err->call, path);
  /* A folder that another made meanwhile is as good; a link to nothing is not. */
  int fd = resolve_open(maker->root, path, O_PATH | O_DIRECTORY, 0, LINKS_FOLLOW, err);
  if (fd >= 0) return close(fd);
  return err->code == ENOENT ? make_target(maker, path, parent.fd, parent.name, err) : -1;
}

/* True (1) when `path` is a folder, 0 when it is missing, -1 otherwise. */
static int folder_exists(int root, const char *path, struct err *err) {
  int fd = resolve_open(root, path, O_PATH | O_DIRECTORY, 0, LINKS_FOLLOW, err);
  if (fd >= 0) close(fd);
  if (fd >= 0) return 1;
  return err->code == ENOENT ? 0 : -1;
}

/* Each prefix of `path`, shortest first. */
static int make_path(struct maker *maker, const char *path, struct err *err) {
  cleanup_free char *prefix = strdup(path);
  if (prefix == NULL) return err_set(err, ENOMEM, "strdup", NULL);
  for (size_t at = 1; at <= strlen(path); at++) {
    bool last = path[at] == '\0';
    if ((!last && path[at] != '/') || path[at - 1] == '/') continue;
    prefix[at] = '\0';
    int exists = folder_exists(maker->root, prefix, err);
    if (exists < 0) return -1;
    if (exists == 0 && !last && !maker->options->parents) return -1; /* err holds ENOENT */
    if (exists == 0 && make_last(maker, prefix, err) < 0) return -1;
    if (exists == 0) err_free(err); /* that it was missing is no failure */
    prefix[at] = path[at];
  }
  return 0;
}

/* After all are made: a folder's time changes when another is made in it. */
static int set_times(struct maker *maker, struct err *err) {
  struct timespec times[2] = {maker->options->mtime, maker->options->mtime};
  const char *path = (const char *)maker->made->data, *end = path + maker->made->len;
  for (; maker->options->has_mtime && path < end; path += strlen(path) + 1) {
    cleanup_fd int fd = resolve_open(maker->root, path, O_RDONLY | O_DIRECTORY, 0, LINKS_FOLLOW, err);
    if (fd < 0) return -1;
    if (futimens(fd, times) < 0) return err_sys(err, "futimens", path);
  }
  return 0;
}

int mkdirs_open(int root, const char *path, const struct mkdir_options *options, struct buf *made, struct err *err) {
  struct buf own cleanup_with(buf_free) = {0};
  struct maker maker = {.root = root, .options = options, .made = made == NULL ? &own : made};
  if (make_path(&maker, path, err) < 0 || set_times(&maker, err) < 0) return -1;
  return resolve_open(root, path, O_PATH | O_DIRECTORY, 0, LINKS_FOLLOW, err);
}
