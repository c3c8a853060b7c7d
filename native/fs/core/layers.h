/*
 * What a stack of overlayfs layers shows at a path, told by the layers themselves where that is plain. To mount the stack for one look takes the
 * kernel a hundred times as long.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "err.h"

struct layers_query {
  const char *path;
  bool userxattr; /* marks are user.overlay.*, as in a user namespace */
  bool wants_file;
};

/*
 * Sets `*layer` to the index of a layer that, alone, shows the same at `path` as all of them: the same folders on the way (owners, modes and
 * all), and the same regular file, folder (but not what is in it) or nothing at its end. `folders` are the layers, topmost first, at least
 * one. `path` is relative, without "." and "..". Returns 1, or 0 where it takes overlayfs to tell: a link, whiteout or special file is on the
 * way, or several layers have a part in it. With `wants_file` also 0 for all but regular files.
 */
int layers_find(const int *folders, size_t count, const struct layers_query *query, size_t *layer, struct err *err);
