/* Pieces of compressed streams, each made of one block of input that knows nothing of the others: so that several are made at once. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum compress_algorithm { COMPRESS_DEFLATE = 0, COMPRESS_ZSTD = 1 };

struct compress_options {
  enum compress_algorithm algorithm;
  int level;
  /*
   * Memory that the library works in, of any size, with anything in it: what does not fit is allocated. A caller that gives the same with
   * each block saves the kernel from making new pages each time.
   */
  uint8_t *work;
  size_t work_size;
};

/*
 * Compresses a block to `out` and sets `size`. Deflate: raw blocks (RFC 1951), none of them the last, ended on a whole byte, as the body
 * of a gzip member may go on. Zstd: a whole frame (RFC 8878) with a checksum. Equal input gives equal bytes: the library starts anew with
 * each block, so what the memory held before does not matter. EINVAL for a level that there is not, EIO when `room` is too little; an eighth
 * more than `len`, and 4 KiB, is always enough.
 */
int compress_block(const struct compress_options *options, const uint8_t *bytes, size_t len, uint8_t *out, size_t room,
                   size_t *size, struct err *err);
