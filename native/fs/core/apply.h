#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

struct apply_options {
  bool hash;
  bool ignore_xattr_errors;
  bool real_folders; /* a link in the place of a parent folder is refused (ELOOP), not followed */
};

/*
 * Performs a batch (see ops.h) below `root`, in order; file content comes from below `source`. Appends 32 bytes per copied file when
 * asked to hash. Stops at the first failure, whose op is err->index.
 */
int apply_ops(int root, int source, const uint8_t *ops, size_t len, const struct apply_options *options,
              struct buf *digests, struct err *err);

struct op;
struct applier;

/* For those who make their ops themselves. `twins`: a root that copied files with OP_TRY_TWIN are linked from; -1 for none. */
struct applier *applier_new(int root, int source, int twins, const struct apply_options *options, struct buf *digests,
                            struct err *err);
int applier_perform(struct applier *applier, const struct op *op, struct err *err);
/* A file without attributes whose content comes apart from its op: its descriptor, which the caller closes, then its metadata. */
int applier_begin_file(struct applier *applier, const struct op *op, struct err *err);
int applier_end_file(struct applier *applier, const struct op *op, int fd, struct err *err);
/* To be called when others may have changed the tree: folders are looked up again. */
void applier_forget(struct applier *applier);
void applier_free(struct applier **applier);
