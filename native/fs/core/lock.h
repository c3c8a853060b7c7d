#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "err.h"

/*
 * flock()s the file `path`, made when missing. Returns its descriptor, or -1 with `*busy` set (and err untouched) when
 * another holds it. Others may unlink a lock file that they hold, so what was locked must still be what is at `path`.
 */
int lock_try(const char *path, bool exclusive, bool *busy, struct err *err);

/*
 * Locks (or unlocks) one byte of an open file, whether it is there or not, by an open file description lock: it belongs to `fd` and ends with
 * it, not with some other descriptor of the same file. 0, or -1 with `*busy` set (and err untouched) when another description has it.
 */
int lock_byte(int fd, int64_t offset, bool lock, bool *busy, struct err *err);
