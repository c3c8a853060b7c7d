/*
 * The tar of a layer folder, from what a walk of it says: the members that leave nothing to decide (a file, a folder or a symbolic link with
 * one name, no attributes and a head that is plain, see plain_head.h), which nearly all are. JavaScript for each takes longer than the
 * kernel does. All others are the caller's, who writes them (packages/oci/src/layer/pack.ts) where they come.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "err.h"
#include "walked.h"

struct packing;

struct packing_options {
  uint64_t max_file_bytes; /* files that are larger are the caller's */
  bool has_latest;
  struct timespec latest; /* later times become this one */
};

struct packing_step {
  size_t written;
  /* Entries that the caller writes behind what was written: those from `first` up to, and without, `end`. */
  uint32_t first, end;
  bool ended;   /* nothing follows these */
  bool changed; /* the file of entry `first` is not what the walk saw: this is over */
};

/* `root` and the walk stay the caller's. EINVAL for bytes that no walk has written. */
struct packing *packing_new(int root, struct walk_bytes walk, const struct packing_options *options, struct err *err);
/*
 * Writes until there is no room, which is PLAIN_HEAD_MAX at least, or a member comes that is the caller's. The walk is the one that it began
 * with, wherever it is in memory now. After a failure it is good for nothing.
 */
int packing_step(struct packing *packing, struct walk_bytes walk, uint8_t *out, size_t room, struct packing_step *step,
                 struct err *err);
void packing_free(struct packing **packing);
