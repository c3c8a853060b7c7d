/*
 * What stands before the content of a member whose name is short of nothing but length: a ustar header (POSIX.1-1988), behind an extended
 * (PAX) one where the name or the fraction of the time does not fit. The bytes are those that packages/oci/src/tar/writer.ts writes for the
 * same member, which knows all forms: a layer is written by both, in turn.
 */
#pragma once
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "plain_header.h"

/* PLAIN_FILE, PLAIN_FOLDER and PLAIN_SYMLINK. */
struct plain_head {
  enum plain_type type;
  mode_t mode; /* permission bits, with setuid, setgid and sticky */
  uid_t uid;
  gid_t gid;
  struct timespec mtime;
  uint64_t size;      /* of a file's content, else 0 */
  const char *path;   /* a folder's ends with "/"; neither text need be ended by NUL */
  size_t path_len;
  const char *target; /* of a symbolic link */
  size_t target_len;
};

/* Enough for every head that is plain. */
enum { PLAIN_HEAD_MAX = 3 * TAR_BLOCK + 2 * PATH_MAX };

/* Whether all of it can be said here: names of printable ASCII, and numbers that a ustar header holds. */
bool plain_head_fits(const struct plain_head *head);
/* Writes one that fits; returns its length, a multiple of a block. */
size_t plain_head_write(const struct plain_head *head, uint8_t *out);
