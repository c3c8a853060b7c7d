#include <stdlib.h>

#include "../core/members.h"

#include "addon.h"
#include "args.h"
#include "values.h"

enum { COUNTS = 5 };

/* What JavaScript holds: it lives until it is collected, what is in it until it is closed. */
struct handle {
  struct members *members;
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
static struct members *members_of(struct args *args) {
  struct handle *handle = args_external(args, 0);
  if (args->failed) return NULL;
  if (handle->members == NULL) napi_throw_error(args->env, NULL, "the members are closed");
  return handle->members;
}

napi_value members_run(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  struct members_step step;
  size_t len;
  struct members *members = members_of(&args);
  const uint8_t *bytes = args_bytes(&args, 1, &len);
  int64_t *counts = args_int64s(&args, 2, COUNTS);
  if (args.failed || members == NULL) return NULL;
  if (members_step(members, bytes, len, &step, &err) < 0) return value_throw(env, &err);
  const int64_t values[COUNTS] = {(int64_t)step.consumed, step.made, step.is_inside, step.has_folders, step.has_others};
  for (size_t i = 0; i < COUNTS; i++) counts[i] = values[i];
  return value_undefined(env);
}

static napi_value taken(napi_env env, napi_callback_info info, struct buf (*take)(struct members *)) {
  struct args args = args_get(env, info);
  struct members *members = members_of(&args);
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
