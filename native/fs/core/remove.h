/* Removal of whole trees: never through a link, never into another mount. */
#pragma once
#include "err.h"

/* Removes `name` in `dir`. 1 when something was removed, 0 when nothing was there. `path` is for errors. */
int remove_entry(int dir, const char *name, const char *path, struct err *err);
