/*
 * Extended attributes of an entry named by (folder, name), never following a link: through /proc/self/fd, because the
 * calls that take a folder's descriptor are younger (6.13) than the kernels we run on.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

/*
 * Appends the attributes that belong to content (user.*, security.capability, and overlayfs' own trusted.overlay.* and
 * user.overlay.*), sorted by name, each as: u32 name length, u32 value length, name, value. Returns their number.
 */
int xattr_read(int dir, const char *name, struct buf *out, uint32_t *count, struct err *err);

/* Sets the attributes of a decoded list in the same format. `ignore_refused`: those that the target refuses are skipped. */
int xattr_write(int dir, const char *name, const uint8_t *list, uint32_t count, bool ignore_refused, struct err *err);

/* What overlayfs has noted on an entry of a layer, beyond where it was copied from, which changes nothing of what is seen. */
enum overlay_marks { MARKS_NONE, MARKS_OPAQUE, MARKS_OTHER };

/* Returns one of them. `userxattr`: of the mounts in a user namespace, user.overlay.*; else trusted.overlay.*. */
int xattr_overlay_marks(int dir, const char *name, bool userxattr, struct err *err);
