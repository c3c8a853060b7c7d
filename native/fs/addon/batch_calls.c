#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "../core/apply.h"
#include "../core/cleanup.h"
#include "../core/compress.h"
#include "../core/contents.h"
#include "../core/send.h"
#include "../core/single.h"
#include "../core/tree_copy.h"
#include "../core/usage.h"
#include "../core/walk.h"
#include "../core/walk_digest.h"
#include "../core/walk_pairs.h"
#include "args.h"
#include "values.h"

/*
 * One call on the pool. The descriptors are duplicates, so that a caller who closes (or reuses the number of) a root too early gets an
 * error from the kernel at worst, never work on another tree. Bytes are kept alive by a reference and must not be changed meanwhile.
 */
struct job {
  int (*run)(struct job *job);
  napi_async_work work;
  napi_deferred deferred;
  napi_ref bytes_ref;
  napi_ref names_ref;
  napi_ref hashes_ref;
  napi_ref hash_ref;
  struct sha256 *hash;
  int root;
  int source;
  int twins;
  char *path;
  char *to;
  const uint8_t *bytes;
  size_t len;
  /* Memory of the caller that the result goes to; the promise then tells its size. */
  uint8_t *target;
  size_t target_len;
  size_t size;
  bool is_sized;
  uint32_t count;
  uint64_t max;
  uint64_t offset;
  int64_t at;
  struct walk_options walk;
  struct apply_options apply;
  struct compress_options compress;
  struct tree_copy copy;
  struct walk_bytes other;
  struct walk_digest digest;
  int failed;
  struct buf out;
  struct err err;
};

static struct job *job_new(int (*run)(struct job *)) {
  struct job *job = calloc(1, sizeof *job);
  if (job == NULL) abort(); /* as V8 does, for less */
  job->run = run;
  job->root = job->source = job->twins = -1;
  job->err = ERR_INIT;
  return job;
}

static void job_free(napi_env env, struct job *job) {
  if (job->bytes_ref != NULL) napi_delete_reference(env, job->bytes_ref);
  if (job->names_ref != NULL) napi_delete_reference(env, job->names_ref);
  if (job->hashes_ref != NULL) napi_delete_reference(env, job->hashes_ref);
  if (job->hash_ref != NULL) napi_delete_reference(env, job->hash_ref);
  if (job->work != NULL) napi_delete_async_work(env, job->work);
  cleanup_close(&job->root);
  cleanup_close(&job->source);
  cleanup_close(&job->twins);
  buf_free(&job->out);
  err_free(&job->err);
  free(job->path);
  free(job->to);
  free(job);
}

static void execute(napi_env env, void *data) {
  struct job *job = data;
  (void)env;
  job->failed = job->run(job);
}

static void complete(napi_env env, napi_status status, void *data) {
  struct job *job = data;
  if (status == napi_cancelled) job->failed = err_set(&job->err, ECANCELED, "uv_cancel", NULL);
  if (job->failed < 0) napi_reject_deferred(env, job->deferred, value_error(env, &job->err));
  else if (job->is_sized) napi_resolve_deferred(env, job->deferred, value_integer(env, (int64_t)job->size));
  else napi_resolve_deferred(env, job->deferred, value_buffer(env, &job->out));
  job_free(env, job);
}

/* A duplicate of the descriptor at `at`; a failure is reported by the promise. */
static int duplicate(struct job *job, struct args *args, size_t at) {
  int fd = (int)args_integer(args, at);
  int copy = args->failed || fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (!args->failed && fd >= 0 && copy < 0) err_sys(&job->err, "fcntl", NULL);
  return copy;
}

static const uint8_t *keep(struct args *args, size_t at, size_t *len, napi_ref *ref) {
  const uint8_t *bytes = args_bytes(args, at, len);
  if (!args->failed) napi_create_reference(args->env, args->values[at], 1, ref);
  return bytes;
}

static void keep_bytes(struct job *job, struct args *args, size_t at) {
  job->bytes = keep(args, at, &job->len, &job->bytes_ref);
}

static napi_value job_start(napi_env env, struct args *args, struct job *job) {
  napi_value promise, name;
  if (args->failed) {
    job_free(env, job);
    return NULL;
  }
  napi_create_promise(env, &job->deferred, &promise);
  if (job->err.code != 0) {
    napi_reject_deferred(env, job->deferred, value_error(env, &job->err));
    job_free(env, job);
    return promise;
  }
  napi_create_string_utf8(env, "tsbuild-fs", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, NULL, name, execute, complete, job, &job->work);
  napi_queue_async_work(env, job->work);
  return promise;
}

static int run_walk(struct job *job) {
  return walk_tree(job->root, job->path, &job->walk, &job->out, &job->err);
}

napi_value walk(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct job *job = job_new(run_walk);
  job->root = duplicate(job, &args, 0);
  job->path = args_text(&args, 1);
  job->walk.xattrs = args_boolean(&args, 2);
  job->walk.depth = (uint32_t)args_integer(&args, 3);
  job->walk.skip_paths = (const char *)keep(&args, 4, &job->walk.skip_paths_len, &job->bytes_ref);
  job->walk.skip_names = (const char *)keep(&args, 5, &job->walk.skip_names_len, &job->names_ref);
  return job_start(env, &args, job);
}

static int run_usage(struct job *job) {
  return usage_tree(job->root, &job->out, &job->err);
}

napi_value disk_usage(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct job *job = job_new(run_usage);
  job->root = duplicate(job, &args, 0);
  return job_start(env, &args, job);
}

static int run_hash(struct job *job) {
  const char *paths = (const char *)job->bytes;
  if (contents_check_paths(paths, job->len, job->count, &job->err) < 0) return -1;
  return contents_hash(job->root, paths, job->count, &job->out, &job->err);
}

napi_value hash_files(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct job *job = job_new(run_hash);
  job->root = duplicate(job, &args, 0);
  keep_bytes(job, &args, 1);
  job->count = (uint32_t)args_integer(&args, 2);
  return job_start(env, &args, job);
}

static int run_read(struct job *job) {
  const char *paths = (const char *)job->bytes;
  if (contents_check_paths(paths, job->len, job->count, &job->err) < 0) return -1;
  return contents_read(job->root, paths, job->count, job->max, &job->out, &job->err);
}

napi_value read_files(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct job *job = job_new(run_read);
  job->root = duplicate(job, &args, 0);
  keep_bytes(job, &args, 1);
  job->count = (uint32_t)args_integer(&args, 2);
  job->max = (uint64_t)args_integer(&args, 3);
  return job_start(env, &args, job);
}

static int run_apply(struct job *job) {
  return apply_ops(job->root, job->source, job->bytes, job->len, &job->apply, &job->out, &job->err);
}

napi_value apply(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct job *job = job_new(run_apply);
  job->root = duplicate(job, &args, 0);
  job->source = duplicate(job, &args, 1);
  keep_bytes(job, &args, 2);
  job->apply.hash = args_boolean(&args, 3);
  job->apply.ignore_xattr_errors = args_boolean(&args, 4);
  return job_start(env, &args, job);
}

/* The same on the thread that asks. */
napi_value apply_here(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  struct buf digests = {0};
  struct apply_options options = {0};
  size_t len;
  int root = (int)args_integer(&args, 0);
  const uint8_t *ops = args_bytes(&args, 1, &len);
  if (args.failed) return NULL;
  int failed = apply_ops(root, -1, ops, len, &options, &digests, &err);
  buf_free(&digests);
  return failed < 0 ? value_throw(env, &err) : value_undefined(env);
}

static int run_copy(struct job *job) {
  job->copy.from = job->path;
  job->copy.to = job->to;
  return tree_copy(job->root, job->source, job->twins, &job->copy, &job->err);
}

napi_value copy_files(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct job *job = job_new(run_copy);
  struct tree_copy *copy = &job->copy;
  job->root = duplicate(job, &args, 0);
  job->source = duplicate(job, &args, 1);
  job->twins = duplicate(job, &args, 2);
  copy->walk = keep(&args, 3, &copy->walk_len, &job->bytes_ref);
  copy->picks = keep(&args, 4, &copy->picks_len, &job->names_ref);
  copy->hashes = keep(&args, 5, &copy->hashes_len, &job->hashes_ref);
  job->path = args_text(&args, 6);
  job->to = args_text(&args, 7);
  copy->replace = args_boolean(&args, 8);
  copy->uid = args_integer(&args, 9);
  copy->gid = args_integer(&args, 10);
  copy->has_mtime = args_given(&args, 11);
  if (copy->has_mtime) copy->mtime = (struct timespec){.tv_sec = args_integer(&args, 11), .tv_nsec = args_integer(&args, 12)};
  return job_start(env, &args, job);
}

static int run_pairs(struct job *job) {
  struct walk_bytes before = {job->bytes, job->len};
  return walk_pairs(before, job->other, &job->out, &job->err);
}

napi_value pair_walks(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct job *job = job_new(run_pairs);
  keep_bytes(job, &args, 0);
  job->other.bytes = keep(&args, 1, &job->other.len, &job->names_ref);
  return job_start(env, &args, job);
}

static int run_digest(struct job *job) {
  job->digest.name = job->path;
  return walk_digest(&job->digest, &job->out, &job->err);
}

napi_value digest_walk(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct job *job = job_new(run_digest);
  struct walk_digest *digest = &job->digest;
  digest->walk = keep(&args, 0, &digest->walk_len, &job->bytes_ref);
  digest->hashes = keep(&args, 1, &digest->hashes_len, &job->hashes_ref);
  digest->chosen = keep(&args, 2, &digest->chosen_len, &job->names_ref);
  job->path = args_text(&args, 3);
  digest->ownerless = args_boolean(&args, 4);
  return job_start(env, &args, job);
}

static int run_compress(struct job *job) {
  return compress_block(&job->compress, job->bytes, job->len, job->target, job->target_len, &job->size, &job->err);
}

napi_value compress(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct job *job = job_new(run_compress);
  job->compress.algorithm = args_boolean(&args, 0) ? COMPRESS_ZSTD : COMPRESS_DEFLATE;
  job->compress.level = (int)args_integer(&args, 1);
  keep_bytes(job, &args, 2);
  job->target = (uint8_t *)keep(&args, 3, &job->target_len, &job->names_ref);
  job->compress.work = (uint8_t *)keep(&args, 4, &job->compress.work_size, &job->hashes_ref);
  job->is_sized = true;
  return job_start(env, &args, job);
}

static int run_send(struct job *job) {
  return send_range(job->root, job->at, job->source, job->offset, job->max, &job->err);
}

napi_value send_file_range(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct job *job = job_new(run_send);
  job->root = duplicate(job, &args, 0);
  job->source = duplicate(job, &args, 1);
  job->offset = (uint64_t)args_integer(&args, 2);
  job->max = (uint64_t)args_integer(&args, 3);
  job->at = args_given(&args, 4) ? args_integer(&args, 4) : SEND_HERE;
  return job_start(env, &args, job);
}

static int run_hash_range(struct job *job) {
  return contents_hash_range(job->hash, job->source, job->offset, job->max, &job->err);
}

napi_value hash_file_range(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct job *job = job_new(run_hash_range);
  job->hash = args_external(&args, 0);
  if (!args.failed) napi_create_reference(env, args.values[0], 1, &job->hash_ref);
  job->source = duplicate(job, &args, 1);
  job->offset = (uint64_t)args_integer(&args, 2);
  job->max = (uint64_t)args_integer(&args, 3);
  return job_start(env, &args, job);
}

static int run_sync_fs(struct job *job) {
  return single_sync_fs(job->root, &job->err);
}

napi_value sync_fs(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct job *job = job_new(run_sync_fs);
  job->root = duplicate(job, &args, 0);
  return job_start(env, &args, job);
}

static int run_sync_folder(struct job *job) {
  return single_sync_folder(job->path, &job->err);
}

napi_value fsync_folder(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct job *job = job_new(run_sync_folder);
  job->path = args_text(&args, 0);
  return job_start(env, &args, job);
}
