#include <stdlib.h>

#include "../core/gunzip_file.h"
#include "../core/members.h"

#include "addon.h"
#include "args.h"
#include "values.h"

enum { COUNTS = 5, GUNZIP_COUNTS = 5 };

/* What JavaScript holds: it lives until it is collected, what is in it until it is closed. */
struct handle {
  struct members *members;
};

struct gunzip_handle {
  struct gunzip_file *file;
};

static void free_handle(napi_env env, void *data, void *hint) {
  struct handle *handle = data;
  (void)env;
  (void)hint;
  members_free(&handle->members);
  free(handle);
}

napi_value members_open(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  napi_value value = NULL;
  int root = (int)args_integer(&args, 0);
  if (args.failed) return NULL;
  struct handle *handle = calloc(1, sizeof *handle);
  if (handle == NULL) abort(); /* as V8 does, for less */
  handle->members = members_new(root, &err);
  if (handle->members == NULL) {
    free(handle);
    return value_throw(env, &err);
  }
  if (napi_create_external(env, handle, free_handle, NULL, &value) != napi_ok) free_handle(env, handle, NULL);
  return value;
}

/* NULL when it is closed. */
static struct members *members_of(struct args *args, size_t at) {
  struct handle *handle = args_external(args, at);
  if (args->failed) return NULL;
  if (handle->members == NULL) napi_throw_error(args->env, NULL, "the members are closed");
  return handle->members;
}

static void tell_state(const struct members *members, int64_t counts[COUNTS]) {
  counts[2] = members_is_inside(members);
  counts[3] = members_has_folders(members);
  counts[4] = members_has_others(members);
}

napi_value members_run(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  struct members_step step;
  size_t len;
  struct members *members = members_of(&args, 0);
  const uint8_t *bytes = args_bytes(&args, 1, &len);
  int64_t *counts = args_int64s(&args, 2, COUNTS);
  if (args.failed || members == NULL) return NULL;
  if (members_step(members, bytes, len, &step, &err) < 0) return value_throw(env, &err);
  counts[0] = (int64_t)step.consumed;
  counts[1] = step.made;
  tell_state(members, counts);
  return value_undefined(env);
}

static napi_value taken(napi_env env, napi_callback_info info, struct buf (*take)(struct members *)) {
  struct args args = args_get(env, info);
  struct members *members = members_of(&args, 0);
  if (args.failed || members == NULL) return NULL;
  struct buf buf = take(members);
  return value_buffer(env, &buf);
}

napi_value members_take_folders(napi_env env, napi_callback_info info) {
  return taken(env, info, members_folders);
}

napi_value members_take_others(napi_env env, napi_callback_info info) {
  return taken(env, info, members_others);
}

napi_value members_close(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct handle *handle = args_external(&args, 0);
  if (args.failed) return NULL;
  members_free(&handle->members);
  return value_undefined(env);
}

static void free_gunzip(napi_env env, void *data, void *hint) {
  struct gunzip_handle *handle = data;
  (void)env;
  (void)hint;
  gunzip_file_free(&handle->file);
  free(handle);
}

napi_value gunzip_open(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  napi_value value = NULL;
  int fd = (int)args_integer(&args, 0);
  int64_t max = args_integer(&args, 1);
  if (args.failed) return NULL;
  struct gunzip_handle *handle = calloc(1, sizeof *handle);
  if (handle == NULL) abort(); /* as V8 does, for less */
  handle->file = gunzip_file_new(fd, (uint64_t)max, &err);
  if (handle->file == NULL) {
    free(handle);
    return value_throw(env, &err);
  }
  if (napi_create_external(env, handle, free_gunzip, NULL, &value) != napi_ok) free_gunzip(env, handle, NULL);
  return value;
}

static struct gunzip_file *gunzip_of(struct args *args) {
  struct gunzip_handle *handle = args_external(args, 0);
  if (args->failed) return NULL;
  if (handle->file == NULL) napi_throw_error(args->env, NULL, "the file is closed");
  return handle->file;
}

/* (file, output, size, whole, counts[, members, their counts]); returns the state. */
napi_value gunzip_step(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  struct gunzip_step step;
  size_t room;
  struct gunzip_file *file = gunzip_of(&args);
  uint8_t *out = (uint8_t *)args_bytes(&args, 1, &room);
  int64_t size = args_integer(&args, 2);
  bool is_whole = args_boolean(&args, 3);
  int64_t *counts = args_int64s(&args, 4, GUNZIP_COUNTS);
  bool has_members = args_given(&args, 5);
  struct members *members = has_members ? members_of(&args, 5) : NULL;
  int64_t *states = has_members ? args_int64s(&args, 6, COUNTS) : NULL;
  if (args.failed || file == NULL || (has_members && members == NULL)) return NULL;
  if (gunzip_file_step(file, members, (uint64_t)size, is_whole, out, room, &step, &err) < 0) return value_throw(env, &err);
  const int64_t values[GUNZIP_COUNTS] = {(int64_t)step.from, (int64_t)step.to, step.made, (int64_t)gunzip_file_read(file),
                                         (int64_t)gunzip_file_size(file)};
  for (size_t i = 0; i < GUNZIP_COUNTS; i++) counts[i] = values[i];
  if (has_members) tell_state(members, states);
  return value_integer(env, step.state);
}

napi_value gunzip_digest(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  uint8_t digest[SHA256_BYTES];
  struct gunzip_file *file = gunzip_of(&args);
  if (args.failed || file == NULL) return NULL;
  return gunzip_file_digest(file, digest, &err) < 0 ? value_throw(env, &err) : value_hex(env, digest, sizeof digest);
}

napi_value gunzip_close(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct gunzip_handle *handle = args_external(&args, 0);
  if (args.failed) return NULL;
  gunzip_file_free(&handle->file);
  return value_undefined(env);
}
