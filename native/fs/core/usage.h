/* What a tree takes on disk. */
#pragma once
#include "buf.h"
#include "err.h"

/*
 * Appends u64s: the bytes of all entries of the folder `root` and of itself (blocks, not sizes), but for files with several names; then of
 * each name of those the inode and the bytes, for the caller, who knows what was counted elsewhere. Other mounts are left out.
 */
int usage_tree(int root, struct buf *out, struct err *err);
