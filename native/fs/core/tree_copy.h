/* Copies regular files of a walked tree: a whole tree in a few calls, without an object per file in JavaScript. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "err.h"

struct tree_copy {
  const uint8_t *walk;
  size_t walk_len;
  /* Per file: u32 index into the walk, u32 mode (07777) with TREE_COPY_TWIN for one that is below `twins` already. */
  const uint8_t *picks;
  size_t picks_len;
  /* 32 bytes per record of the walk: what each file must hash to. Nothing: files cannot change, and are not hashed. */
  const uint8_t *hashes;
  size_t hashes_len;
  const char *from; /* the walked folder below the source, "" for its root */
  const char *to;   /* where its entries go, below the root and below `twins` */
  bool replace;     /* whatever is in the way, else only what is no folder */
  int64_t uid, gid; /* -1: as the walk has them */
  bool has_mtime;   /* else as the walk has it */
  struct timespec mtime;
};

static const uint32_t TREE_COPY_TWIN = 0x80000000;

/*
 * `twins`: a root with files that need not be copied again, -1 for none. Those are linked (and have two names then), or copied where that
 * does not work. The folders must be there. ESTALE for a file that is not what it must hash to. Stops at the first failure, whose pick is
 * err->index.
 */
int tree_copy(int root, int source, int twins, const struct tree_copy *copy, struct err *err);
