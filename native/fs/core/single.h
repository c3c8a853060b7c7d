/* The calls on one path in a root. `node` metadata is set exactly, whatever the umask is. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "buf.h"
#include "err.h"

struct node {
  bool has_mode; /* single_owner only: leave the mode as it is */
  mode_t mode;
  uid_t uid;
  gid_t gid;
  bool has_mtime;
  struct timespec mtime;
};

/* 1 and `stat` filled, or 0 when nothing is there. */
int single_stat(int root, const char *path, bool follow, struct statx *stat, struct err *err);
/* Appends the target. */
int single_readlink(int root, const char *path, struct buf *out, struct err *err);
/* Appends the names, each ended by NUL. */
int single_list(int root, const char *path, struct buf *out, struct err *err);
/* 1 and the content appended, or 0 when nothing is there. */
int single_read(int root, const char *path, uint64_t max, struct buf *out, struct err *err);
int single_write(int root, const char *path, const void *bytes, size_t len, const struct node *node, struct err *err);
int single_symlink(int root, const char *path, const char *target, const struct node *node, struct err *err);
/* 1 when something was removed. */
int single_remove(int root, const char *path, struct err *err);
int single_times(int root, const char *path, const struct timespec times[2], struct err *err);
int single_owner(int root, const char *path, const struct node *node, struct err *err);

int single_sync_fs(int fd, struct err *err);
/*
 * A range of a file that nobody reads soon: what of it is on the disk leaves memory, for the rest the disk begins. A failure of the disk is told by
 * the file's fsync; where this cannot be done, all stays as it is.
 */
void single_forget(int fd, off_t from, off_t len);

int single_sync_folder(const char *path, struct err *err);

/* write() of everything; retries interruptions and short writes. -1 with errno. */
int write_all(int fd, const void *bytes, size_t len);
