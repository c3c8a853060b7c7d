#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "err.h"

struct overlay {
  const char *const *lowers; /* top first */
  size_t lower_count;
  const char *upper; /* NULL: read-only */
  const char *work;
  bool userxattr;
  bool volatile_upper;
};

/*
 * A mount that is attached nowhere and goes with its last descriptor. Nothing below `upper`: a clone of it; one lower and no
 * upper: a read-only clone; else overlayfs. The kernel's own words about a refusal are in err->detail.
 */
int overlay_mount(const struct overlay *overlay, struct err *err);
