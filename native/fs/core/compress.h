/* Pieces of compressed streams, each made of one block of input that knows nothing of the others: so that several are made at once. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

enum compress_algorithm { COMPRESS_DEFLATE = 0, COMPRESS_ZSTD = 1 };

struct compress_options {
  enum compress_algorithm algorithm;
  int level;
};

/*
 * Appends the compressed block. Deflate: raw blocks (RFC 1951), none of them the last, ended on a whole byte, as the body of a gzip
 * member may go on. Zstd: a whole frame (RFC 8878) with a checksum. Equal input gives equal bytes. EINVAL for a level that there is not.
 */
int compress_block(const struct compress_options *options, const uint8_t *bytes, size_t len, struct buf *out,
                   struct err *err);
