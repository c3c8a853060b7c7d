/* Which entries two walks have at the same path. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "walked.h"

/* Added to an entry that is the same in all that a walk tells of it: times, inode, attributes and all. */
static const uint32_t WALK_PAIR_SAME = 0x80000000;

/* Appends a u32 for each record of `after`: 0, or the index of its counterpart in `before` plus 1. EINVAL for bytes that no walk has written. */
int walk_pairs(struct walk_bytes before, struct walk_bytes after, struct buf *out, struct err *err);
