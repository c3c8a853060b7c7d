#ifndef TSB_MOUNTS_H
#define TSB_MOUNTS_H

#include <stdint.h>

#include "err.h"

/* Detached copy of what a descriptor shows, with more MOUNT_ATTR_*; `recursive` is 0 or AT_RECURSIVE. */
int clone_tree(int fd, unsigned recursive, uint64_t attrs, const char *text, struct err *err);

/* Moves a mount onto what a descriptor shows. */
int move_onto(int mount, int target, const char *dest, struct err *err);

#endif
