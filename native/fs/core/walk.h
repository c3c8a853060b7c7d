/*
 * A whole tree as one block of bytes. The same tree gives the same bytes, so that "nothing changed" is one memcmp:
 * hence no access times, no random padding, and names in byte order.
 *
 * Little-endian. Header, 16 bytes: "TSBWALK1", u32 entries, u32 flags (1: attributes were read). Then per entry,
 * depth first, each starting at a multiple of 8:
 *
 *   0 u32 length of the whole record with its padding     56 i64 mtime, seconds
 *   4 u32 index of the parent's record (~0 for the first) 64 i64 ctime, seconds
 *   8 u32 index after the last entry below this one       72 u32 mtime, nanoseconds
 *  12 u32 mode (type and permissions)                     76 u32 ctime, nanoseconds
 *  16 u32 uid                                             80 u32 device: major (nodes only)
 *  20 u32 gid                                             84 u32 device: minor
 *  24 u32 links                                           88 u32 flags (1: name, 2: target is not UTF-8)
 *  28 u32 number of attributes                            92 u32 length of the name
 *  32 u64 inode                                           96 u32 length of the target
 *  40 u64 device that holds it (makedev)                 100 u32 length of the attributes
 *  48 i64 size                                           104 name, target, attributes (see xattr.h), zeros to 8
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

struct walk_options {
  bool xattrs;
  uint32_t depth; /* levels below the start; UINT32_MAX for all */
  /*
   * What is left out with all that is below: paths from the start, and names at any depth. Blocks of texts that each end with NUL; may be
   * NULL when their length is 0.
   */
  const char *skip_paths, *skip_names;
  size_t skip_paths_len, skip_names_len;
};

/* Entries that vanish meanwhile are left out; so is what is on other mounts. The last name of `path` is not followed. */
int walk_tree(int root, const char *path, const struct walk_options *options, struct buf *out, struct err *err);
