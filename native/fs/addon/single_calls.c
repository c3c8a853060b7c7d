#include "addon.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../core/cleanup.h"
#include "../core/lock.h"
#include "../core/mkdirs.h"
#include "../core/resolve.h"
#include "../core/single.h"
#include "args.h"
#include "values.h"

static struct timespec time_at(struct args *args, size_t at) {
  return (struct timespec){.tv_sec = args_integer(args, at), .tv_nsec = (long)args_integer(args, at + 1)};
}

/* Four arguments from `at`: uid, gid, seconds (or undefined), nanoseconds. */
static struct node node_at(struct args *args, mode_t mode, size_t at) {
  struct node node = {.mode = mode, .has_mode = true};
  node.uid = (uid_t)args_integer(args, at);
  node.gid = (gid_t)args_integer(args, at + 1);
  node.has_mtime = args_given(args, at + 2);
  if (node.has_mtime) node.mtime = time_at(args, at + 2);
  return node;
}

static napi_value done(napi_env env, int result, struct err *err) {
  return result < 0 ? value_throw(env, err) : value_undefined(env);
}

napi_value open_folder(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  cleanup_free char *path = args_text(&args, 0);
  if (args.failed) return NULL;
  int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) return value_integer(env, fd);
  err_sys(&err, "open", path);
  return value_throw(env, &err);
}

napi_value forget_range(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  int fd = (int)args_integer(&args, 0);
  off_t from = (off_t)args_integer(&args, 1);
  off_t len = (off_t)args_integer(&args, 2);
  if (args.failed) return NULL;
  single_forget(fd, from, len);
  return value_undefined(env);
}

napi_value close_fd(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  int fd = (int)args_integer(&args, 0);
  if (args.failed) return NULL;
  return done(env, close(fd) < 0 ? err_sys(&err, "close", NULL) : 0, &err);
}

napi_value open_in_root(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  int root = (int)args_integer(&args, 0);
  cleanup_free char *path = args_text(&args, 1);
  uint64_t flags = (uint64_t)args_integer(&args, 2);
  mode_t mode = (mode_t)args_integer(&args, 3);
  if (args.failed) return NULL;
  int fd = resolve_open(root, path, flags, mode, LINKS_FOLLOW, &err);
  return fd < 0 ? value_throw(env, &err) : value_integer(env, fd);
}

static int64_t nanoseconds(const struct statx_timestamp *time) {
  return time->tv_sec * 1000000000 + time->tv_nsec;
}

/* The order is that of STAT_FIELDS in src/stat.ts. */
static void fill_stat(int64_t *out, const struct statx *stat) {
  out[0] = stat->stx_mode;
  out[1] = stat->stx_uid;
  out[2] = stat->stx_gid;
  out[3] = (int64_t)stat->stx_size;
  out[4] = nanoseconds(&stat->stx_mtime);
  out[5] = nanoseconds(&stat->stx_ctime);
  out[6] = (int64_t)stat->stx_ino;
  out[7] = (int64_t)makedev(stat->stx_dev_major, stat->stx_dev_minor);
  out[8] = stat->stx_rdev_major;
  out[9] = stat->stx_rdev_minor;
  out[10] = stat->stx_nlink;
}

napi_value stat_in_root(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  struct statx stat;
  int root = (int)args_integer(&args, 0);
  cleanup_free char *path = args_text(&args, 1);
  bool follow = args_boolean(&args, 2);
  int64_t *out = args_int64s(&args, 3, 11);
  if (args.failed) return NULL;
  int found = single_stat(root, path, follow, &stat, &err);
  if (found < 0) return value_throw(env, &err);
  if (found > 0) fill_stat(out, &stat);
  return value_boolean(env, found > 0);
}

napi_value path_in_root(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  struct buf out cleanup_with(buf_free) = {0};
  int root = (int)args_integer(&args, 0);
  cleanup_free char *path = args_text(&args, 1);
  if (args.failed) return NULL;
  int found = resolve_path(root, path, &out, &err);
  if (found < 0) return value_throw(env, &err);
  err_free(&err);
  return found == 0 ? value_undefined(env) : value_buffer(env, &out);
}

napi_value readlink_in_root(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  struct buf out cleanup_with(buf_free) = {0};
  int root = (int)args_integer(&args, 0);
  cleanup_free char *path = args_text(&args, 1);
  if (args.failed) return NULL;
  return single_readlink(root, path, &out, &err) < 0 ? value_throw(env, &err) : value_buffer(env, &out);
}

napi_value list_in_root(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  struct buf out cleanup_with(buf_free) = {0};
  int root = (int)args_integer(&args, 0);
  cleanup_free char *path = args_text(&args, 1);
  if (args.failed) return NULL;
  return single_list(root, path, &out, &err) < 0 ? value_throw(env, &err) : value_buffer(env, &out);
}

napi_value read_file_in_root(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  struct buf out cleanup_with(buf_free) = {0};
  int root = (int)args_integer(&args, 0);
  cleanup_free char *path = args_text(&args, 1);
  uint64_t max = (uint64_t)args_integer(&args, 2);
  if (args.failed) return NULL;
  int found = single_read(root, path, max, &out, &err);
  if (found < 0) return value_throw(env, &err);
  return found == 0 ? value_undefined(env) : value_buffer(env, &out);
}

napi_value write_file_in_root(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  size_t len;
  int root = (int)args_integer(&args, 0);
  cleanup_free char *path = args_text(&args, 1);
  const uint8_t *bytes = args_bytes(&args, 2, &len);
  struct node node = node_at(&args, (mode_t)args_integer(&args, 3), 4);
  if (args.failed) return NULL;
  return done(env, single_write(root, path, bytes, len, &node, &err), &err);
}

napi_value symlink_in_root(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  int root = (int)args_integer(&args, 0);
  cleanup_free char *path = args_text(&args, 1);
  cleanup_free char *target = args_text(&args, 2);
  struct node node = node_at(&args, 0, 3);
  if (args.failed) return NULL;
  return done(env, single_symlink(root, path, target, &node, &err), &err);
}

napi_value mkdir_in_root(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  struct buf made cleanup_with(buf_free) = {0};
  int root = (int)args_integer(&args, 0);
  cleanup_free char *path = args_text(&args, 1);
  bool parents = args_boolean(&args, 2);
  struct node node = node_at(&args, (mode_t)args_integer(&args, 3), 4);
  if (args.failed) return NULL;
  struct mkdir_options options = {.mode = node.mode,
                                  .uid = node.uid,
                                  .gid = node.gid,
                                  .has_mtime = node.has_mtime,
                                  .mtime = node.mtime,
                                  .parents = parents};
  cleanup_fd int fd = mkdirs_open(root, path, &options, &made, &err);
  return fd < 0 ? value_throw(env, &err) : value_buffer(env, &made);
}

napi_value remove_in_root(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  int root = (int)args_integer(&args, 0);
  cleanup_free char *path = args_text(&args, 1);
  if (args.failed) return NULL;
  int removed = single_remove(root, path, &err);
  return removed < 0 ? value_throw(env, &err) : value_boolean(env, removed > 0);
}

napi_value set_times_in_root(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  int root = (int)args_integer(&args, 0);
  cleanup_free char *path = args_text(&args, 1);
  struct timespec times[2] = {time_at(&args, 2), time_at(&args, 4)};
  if (args.failed) return NULL;
  return done(env, single_times(root, path, times, &err), &err);
}

napi_value set_owner_mode_in_root(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  int root = (int)args_integer(&args, 0);
  cleanup_free char *path = args_text(&args, 1);
  struct node node = {.uid = (uid_t)args_integer(&args, 2), .gid = (gid_t)args_integer(&args, 3)};
  node.has_mode = args_given(&args, 4);
  if (node.has_mode) node.mode = (mode_t)args_integer(&args, 4);
  if (args.failed) return NULL;
  return done(env, single_owner(root, path, &node, &err), &err);
}

napi_value try_lock(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  bool busy;
  cleanup_free char *path = args_text(&args, 0);
  bool exclusive = args_boolean(&args, 1);
  if (args.failed) return NULL;
  int fd = lock_try(path, exclusive, &busy, &err);
  if (fd >= 0) return value_integer(env, fd);
  return busy ? value_undefined(env) : value_throw(env, &err);
}

napi_value lock_byte_of(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  bool busy;
  int fd = (int)args_integer(&args, 0);
  int64_t offset = args_integer(&args, 1);
  bool lock = args_boolean(&args, 2);
  if (args.failed) return NULL;
  if (lock_byte(fd, offset, lock, &busy, &err) < 0 && !busy) return value_throw(env, &err);
  return value_boolean(env, !busy);
}
