/* Folders with exact owner and mode, whatever the umask is, and their missing parents. */
#pragma once
#include <stdbool.h>
#include <sys/stat.h>

#include "buf.h"
#include "err.h"

struct mkdir_options {
  mode_t mode;
  uid_t uid;
  gid_t gid;
  bool has_mtime;
  struct timespec mtime;
  bool parents;
};

/*
 * Returns an O_PATH descriptor of the folder `path`, which is made when missing. Paths made are appended to `made` (may be
 * NULL), each ended by NUL, outermost first. Links on the way are followed in the root; one that leads nowhere has its
 * target made, as a shell user expects of `mkdir -p link/x` and as image builders do.
 */
int mkdirs_open(int root, const char *path, const struct mkdir_options *options, struct buf *made, struct err *err);

