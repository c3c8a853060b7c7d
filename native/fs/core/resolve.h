/*
 * Every path is opened here. `root` is the descriptor of a folder that acts as "/": absolute paths, ".." and symbolic
 * links stay beneath it (openat2, RESOLVE_IN_ROOT), even while others rename things.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"
#include "err.h"

enum resolve_links { LINKS_FOLLOW, LINKS_REFUSE };

/* openat2 below `dir`, without retries needed by the caller. Returns the descriptor (close-on-exec) or -1 with errno. */
int resolve_raw(int dir, const char *path, uint64_t flags, mode_t mode, uint64_t resolve);

/*
 * Opens `path` ("" is the root itself). A path longer than PATH_MAX is walked in pieces; then it must be free of links
 * and "..".
 */
int resolve_open(int root, const char *path, uint64_t flags, mode_t mode, enum resolve_links links, struct err *err);

/*
 * The path in `root` of what `path` leads to, with every link resolved; "" is the root. 1 and appended to `out`, or 0 when nothing is there or what is
 * there has no path in the root (another mount's file). Who uses it later resolves it again: the tree may change meanwhile.
 */
int resolve_path(int root, const char *path, struct buf *out, struct err *err);

/*
 * A folder that stays open between consecutive operations in it: a layer names the same folder many times in a row.
 * After parent_open, (fd, name) is the entry; `name` is one component, "." for the root itself, never "..".
 */
struct parent {
  int root;
  enum resolve_links links;
  int fd;           /* -1: nothing cached */
  char *dir;        /* text of the cached folder */
  char *scratch;    /* the current path, cut in two */
  size_t scratch_cap;
  const char *name; /* into scratch */
};

void parent_init(struct parent *parent, int root, enum resolve_links links);
int parent_open(struct parent *parent, const char *path, struct err *err);
/* As parent_open, and makes missing folders 0755 0:0. */
int parent_make(struct parent *parent, const char *path, struct err *err);
/* To be called when a folder or a link in the tree went away: the cached folder may be another one now. */
void parent_forget(struct parent *parent);
void parent_free(struct parent *parent);
