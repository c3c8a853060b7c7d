/* Bytes from file to file without passing through this program's memory. */
#pragma once
#include <stdint.h>

#include "err.h"

/* Writes `len` bytes of `in` from `offset` on to `at` of `out`, which then stands behind them. EIO when `in` ends before. */
int send_range(int out, int64_t at, int in, uint64_t offset, uint64_t len, struct err *err);

/* For `at`: where `out` stands, which need not be a file then. */
enum { SEND_HERE = -1 };
