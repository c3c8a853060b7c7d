#ifndef TSB_RESOLVE_H
#define TSB_RESOLVE_H

#include <stdint.h>

#include "err.h"
#include "sandbox.h"
#include "sys.h"

/* Magic links (/proc/self/fd/N) would lead out of the root whatever RESOLVE_IN_ROOT says about plain links. */
#define RESOLVE_INSIDE (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)

/*
 * O_PATH descriptor of a path in the new root, as a process inside would see it: symbolic links, `..` and absolute paths stay
 * beneath the root. Fails with -1 and err, text being the path.
 */
int open_in_root(const struct sandbox *sb, const char *path, struct err *err);

/*
 * The same for what is mounted on. Where a runtime has yet to mount its own file systems, fails with EBUSY at the root and at, or
 * below, the folders that it takes: it would hide what is mounted there, or be led by it.
 */
int open_target(const struct sandbox *sb, const char *path, struct err *err);

/* The same below any descriptor; "" is the descriptor itself (a duplicate). */
int open_beneath(int dir, const char *path, struct err *err);

/*
 * Opens the parent folder of a path in the new root and gives the last component. Fails on paths without one ("/", "a/..").
 */
int open_parent(const struct sandbox *sb, const char *path, const char **name, struct err *err);

#endif
