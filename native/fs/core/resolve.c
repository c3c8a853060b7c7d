#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "mkdirs.h"

/*
 * openat2 says EAGAIN when any rename or mount on the machine raced with a ".." of this path: it cannot tell whether
 * the root was left. Trying again is the documented answer; the bound only keeps a hostile renamer from holding us.
 */
enum { AGAIN_MAX = 100000 };

int resolve_raw(int dir, const char *path, uint64_t flags, mode_t mode, uint64_t resolve) {
  struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};
  if (flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) how.mode = mode & 07777;
  for (int again = 0;;) {
    int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
    if (fd >= 0 || (errno != EINTR && errno != EAGAIN)) return fd;
    if (errno == EAGAIN && ++again >= AGAIN_MAX) return -1;
    if (errno == EAGAIN) sched_yield();
  }
}

static uint64_t resolve_flags(enum resolve_links links) {
  uint64_t flags = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return links == LINKS_REFUSE ? flags | RESOLVE_NO_SYMLINKS : flags;
}

static bool has_dotdot(const char *path) {
  for (const char *at = path; (at = strstr(at, "..")) != NULL; at += 2) {
    if ((at == path || at[-1] == '/') && (at[2] == '\0' || at[2] == '/')) return true;
  }
  return false;
}

/* Length of the longest piece of `path` that ends at a "/" and fits openat2; 0 when a single name is too long. */
static size_t piece_length(const char *path, size_t len) {
  if (len < PATH_MAX) return len;
  size_t piece = PATH_MAX - 1;
  while (piece > 0 && path[piece] != '/') piece--;
  return piece;
}

/* Links would have to be resolved against the root with a text that no longer fits, so none are allowed. */
static int open_long(int root, const char *path, uint64_t flags, mode_t mode) {
  if (has_dotdot(path)) {
    errno = ENAMETOOLONG;
    return -1;
  }
  cleanup_fd int owned = -1;
  char piece[PATH_MAX];
  for (size_t left = strlen(path);;) {
    size_t len = piece_length(path, left);
    if (len == 0) {
      errno = ENAMETOOLONG;
      return -1;
    }
    bool last = len == left;
    memcpy(piece, path, len);
    piece[len] = '\0';
    int dir = owned >= 0 ? owned : root;
    int fd = resolve_raw(dir, piece, last ? flags : O_PATH | O_DIRECTORY, mode, resolve_flags(LINKS_REFUSE));
    if (fd < 0 || last) return fd;
    cleanup_close(&owned);
    owned = fd;
    path += len + 1;
    left -= len + 1;
    if (left == 0) {
      path = ".";
      left = 1;
    }
  }
}

int resolve_open(int root, const char *path, uint64_t flags, mode_t mode, enum resolve_links links, struct err *err) {
  const char *text = path[0] == '\0' ? "." : path;
  int fd = strlen(text) < PATH_MAX ? resolve_raw(root, text, flags, mode, resolve_flags(links))
                                   : open_long(root, text, flags, mode);
  return fd >= 0 ? fd : err_sys(err, "openat2", path);
}

/* Nothing in it that a path which the kernel tells has not. */
static bool is_clean(const char *path) {
  for (const char *at = path; *at != '\0';) {
    size_t len = strcspn(at, "/");
    if (len == 0 || (len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.')) return false;
    at += len;
    if (*at == '/' && *++at == '\0') return false;
  }
  return true;
}

static int path_behind(int fd, char out[PATH_MAX], struct err *err) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t len = readlink(link, out, PATH_MAX - 1);
  if (len < 0) return err_sys(err, "readlink", link);
  out[len] = '\0';
  return 0;
}

static int told_path(int root, int fd, struct buf *out, struct err *err) {
  char top[PATH_MAX], full[PATH_MAX];
  if (path_behind(root, top, err) < 0 || path_behind(fd, full, err) < 0) return -1;
  size_t len = strcmp(top, "/") == 0 ? 0 : strlen(top);
  if (strcmp(full, top) == 0) return 1;
  if (strncmp(full, top, len) != 0 || full[len] != '/') return 0;
  return buf_append(out, full + len + 1, strlen(full + len + 1), err) < 0 ? -1 : 1;
}

int resolve_path(int root, const char *path, struct buf *out, struct err *err) {
  if (is_clean(path) && strlen(path) < PATH_MAX) {
    /* Mostly there is no link on the way: then it is its own path. */
    cleanup_fd int plain = resolve_raw(root, *path == '\0' ? "." : path, O_PATH, 0, resolve_flags(LINKS_REFUSE));
    if (plain >= 0) return buf_append(out, path, strlen(path), err) < 0 ? -1 : 1;
    if (errno != ELOOP) return errno == ENOENT || errno == ENOTDIR ? 0 : err_sys(err, "openat2", path);
  }
  cleanup_fd int fd = resolve_open(root, path, O_PATH, 0, LINKS_FOLLOW, err);
  if (fd >= 0) return told_path(root, fd, out, err);
  return err->code == ENOENT || err->code == ENOTDIR || err->code == ELOOP ? 0 : -1;
}

void parent_init(struct parent *parent, int root, enum resolve_links links) {
  *parent = (struct parent){.root = root, .links = links, .fd = -1};
}

void parent_forget(struct parent *parent) {
  cleanup_close(&parent->fd);
  parent->fd = -1;
}

void parent_free(struct parent *parent) {
  parent_forget(parent);
  free(parent->dir);
  free(parent->scratch);
  parent->dir = parent->scratch = NULL;
}

/* Cuts trailing "/" and "/.", which only say that a folder is meant. Returns the length that remains. */
static size_t trimmed_length(const char *path) {
  size_t len = strlen(path);
  for (;;) {
    if (len > 0 && path[len - 1] == '/') len--;
    else if (len > 1 && path[len - 1] == '.' && path[len - 2] == '/') len--;
    else if (len == 1 && path[0] == '.') return 0;
    else return len;
  }
}

static int scratch_fill(struct parent *parent, const char *path, size_t len, struct err *err) {
  if (len + 1 > parent->scratch_cap) {
    char *scratch = realloc(parent->scratch, len + 256);
    if (scratch == NULL) return err_set(err, ENOMEM, "realloc", NULL);
    parent->scratch = scratch;
    parent->scratch_cap = len + 256;
  }
  memcpy(parent->scratch, path, len);
  parent->scratch[len] = '\0';
  return 0;
}

/* Cuts `path` into the folder's text and one name. "/name" and "name" are both in the root: "". */
static int split(struct parent *parent, const char *path, const char **dir, struct err *err) {
  if (scratch_fill(parent, path, trimmed_length(path), err) < 0) return -1;
  char *slash = strrchr(parent->scratch, '/');
  char *name = slash == NULL ? parent->scratch : slash + 1;
  if (strcmp(name, "..") == 0) return err_detail(err, EINVAL, "resolve", path, "the last name is \"..\"");
  if (slash != NULL) *slash = '\0';
  *dir = slash == NULL ? "" : parent->scratch;
  parent->name = *name == '\0' ? "." : name;
  return 0;
}

static int remember(struct parent *parent, const char *dir, int fd, struct err *err) {
  char *copy = strdup(dir);
  if (copy == NULL) {
    close(fd);
    return err_set(err, ENOMEM, "strdup", NULL);
  }
  parent_forget(parent);
  free(parent->dir);
  parent->dir = copy;
  parent->fd = fd;
  return 0;
}

static int open_cached(struct parent *parent, const char *path, bool make, struct err *err) {
  const char *dir = NULL;
  if (split(parent, path, &dir, err) < 0) return -1;
  if (parent->fd >= 0 && strcmp(parent->dir, dir) == 0) return 0;
  int fd = resolve_open(parent->root, dir, O_PATH | O_DIRECTORY, 0, parent->links, err);
  if (fd < 0 && make && err->code == ENOENT) {
    struct mkdir_options options = {.mode = 0755, .parents = true};
    fd = mkdirs_open(parent->root, dir, &options, NULL, err);
  }
  return fd < 0 ? -1 : remember(parent, dir, fd, err);
}

int parent_open(struct parent *parent, const char *path, struct err *err) {
  return open_cached(parent, path, false, err);
}

int parent_make(struct parent *parent, const char *path, struct err *err) {
  return open_cached(parent, path, true, err);
}
