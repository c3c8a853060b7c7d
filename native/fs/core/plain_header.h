/*
 * Tar headers that leave nothing to decide (POSIX.1-1988 ustar, and GNU's form as far as it is the same): a file, a folder or a link with a
 * short clean name and octal numbers, perhaps behind one extended (PAX) header that tells times or names alone. Everything else is not
 * "plain", also what is damaged: the reader in TypeScript (packages/oci/src/tar/reader.ts) says what that means. A header that is read here
 * means to it the same.
 */
#pragma once
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum { TAR_BLOCK = 512, PLAIN_PAX_MAX = 16 * TAR_BLOCK, PLAIN_HEADER_MAX = PLAIN_PAX_MAX + 2 * TAR_BLOCK };
enum plain_type { PLAIN_FILE, PLAIN_FOLDER, PLAIN_SYMLINK, PLAIN_HARDLINK };

struct plain_header {
  enum plain_type type;
  mode_t mode; /* permission bits, with setuid, setgid and sticky */
  uid_t uid;
  gid_t gid;
  struct timespec mtime;
  uint64_t size;        /* of the content; 0 for what is no file */
  size_t length;        /* of the header blocks, extended ones included */
  char path[PATH_MAX];  /* below the root: no "", "." or ".." in it, and no name of a whiteout at its end */
  char target[PATH_MAX]; /* a symbolic link's text; of a hard link a path like the one above */
};

/* Reads the header at the beginning of `bytes`. False: it is not plain, or not all of it is there. */
bool plain_header_read(struct plain_header *header, const uint8_t *bytes, size_t len);
