#ifndef TSB_NODES_H
#define TSB_NODES_H

#include "err.h"
#include "sandbox.h"

/* Makes a folder or empty file of the new root, and its missing parents, for a mount to hang on. What exists is left alone. */
int make_mount_point(const struct sandbox *sb, const char *dest, int is_file, struct err *err);

#endif
