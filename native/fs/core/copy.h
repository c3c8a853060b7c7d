/* Moving a file's bytes from one descriptor to another. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "err.h"
#include "sha256.h"

/* What a batch of copies shares. */
struct copier {
  struct sha256 *sha256; /* NULL: no digests */
  char *buffer;
  bool no_clone; /* the file systems were seen to be unable to; they rarely change within a batch */
  bool no_range;
};

int copier_init(struct copier *copier, bool hash, struct err *err);
void copier_free(struct copier *copier);

/*
 * Copies the whole regular file `from` (with `stat`) to the new, empty `to` (opened for reading as well). With digests, `digest`
 * is that of the bytes that `to` holds, even when `from` changes meanwhile. Holes stay holes.
 */
int copier_copy(struct copier *copier, int from, const struct stat *stat, int to, uint8_t digest[SHA256_BYTES],
                const char *path, struct err *err);
