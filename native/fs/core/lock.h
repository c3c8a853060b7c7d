#pragma once
#include <stdbool.h>

#include "err.h"

/*
 * flock()s the file `path`, made when missing. Returns its descriptor, or -1 with `*busy` set (and err untouched) when
 * another holds it. Others may unlink a lock file that they hold, so what was locked must still be what is at `path`.
 */
int lock_try(const char *path, bool exclusive, bool *busy, struct err *err);
