/* Bytes from file to file without passing through this program's memory. */
#pragma once
#include <stdint.h>

#include "err.h"

/* Writes `len` bytes of `in` from `offset` on to where `out` stands. EIO when `in` ends before. */
int send_range(int out, int in, uint64_t offset, uint64_t len, struct err *err);
