/* One digest for what is in a walked tree, and one for each entry of its root. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

struct walk_digest {
  const uint8_t *walk;
  size_t walk_len;
  const uint8_t *hashes; /* 32 bytes per record: sha256 of what is in the file */
  size_t hashes_len;
  const uint8_t *chosen; /* u32 each: the records that count, a folder before what is in it */
  size_t chosen_len;
  const char *name;
  bool ownerless; /* everybody's owner is 0:0 */
};

/*
 * Appends the digest of all, then for the start and each of its entries that has something chosen: u32 index of its record, and a digest of what
 * is chosen of it. What counts is a path with its type and mode, owner, size and content of a file, a link's target, a device's numbers, and the
 * attributes that belong to content. Each text is behind its length, so that no name swallows what follows.
 */
int walk_digest(const struct walk_digest *digest, struct buf *out, struct err *err);
