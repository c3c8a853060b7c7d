/* Contents of many regular files at once, opened without following any link. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "buf.h"
#include "err.h"
#include "resolve.h"
#include "sha256.h"

enum { CONTENT_BUFFER_BYTES = 512 * 1024 };

/* `paths`: `count` texts, each ended by NUL. The bytes must be checked with this first. */
int contents_check_paths(const char *paths, size_t len, uint32_t count, struct err *err);

/* Adds `len` bytes of a file from `offset` on. EIO when it ends before. */
int contents_hash_range(struct sha256 *sha256, int fd, uint64_t offset, uint64_t len, struct err *err);

/* Appends 32 bytes per path. */
int contents_hash(int root, const char *paths, uint32_t count, struct buf *out, struct err *err);
/* Appends per path: u64 length, bytes. EFBIG for a file above `max_each`. */
int contents_read(int root, const char *paths, uint32_t count, uint64_t max_each, struct buf *out, struct err *err);

/* Opens a regular file for reading; EINVAL for anything else, and a FIFO does not block. */
int contents_open(struct parent *parent, const char *path, struct stat *stat, struct err *err);
/* Appends what an open file holds. EFBIG above `max`. */
int contents_append(int fd, const struct stat *stat, uint64_t max, const char *path, struct buf *out, struct err *err);
/* read() until `len` bytes or the end; retries interruptions. -1 with errno. */
ssize_t contents_fill(int fd, void *buffer, size_t len);
