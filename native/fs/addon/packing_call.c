#include <stdlib.h>

#include "../core/packing.h"

#include "addon.h"
#include "args.h"
#include "values.h"

enum { COUNTS = 5 };

/* What JavaScript holds: it lives until it is collected, what is in it until it is closed. */
struct handle {
  struct packing *packing;
};

static void free_handle(napi_env env, void *data, void *hint) {
  struct handle *handle = data;
  (void)env;
  (void)hint;
  packing_free(&handle->packing);
  free(handle);
}

static struct walk_bytes walk_of(struct args *args, size_t at) {
  struct walk_bytes walk;
  walk.bytes = args_bytes(args, at, &walk.len);
  return walk;
}

napi_value packing_open(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  napi_value value = NULL;
  int root = (int)args_integer(&args, 0);
  struct walk_bytes walk = walk_of(&args, 1);
  struct packing_options options = {.max_file_bytes = (uint64_t)args_integer(&args, 2), .has_latest = args_given(&args, 3)};
  if (options.has_latest) options.latest = (struct timespec){.tv_sec = args_integer(&args, 3), .tv_nsec = args_integer(&args, 4)};
  if (args.failed) return NULL;
  struct handle *handle = calloc(1, sizeof *handle);
  if (handle == NULL) abort(); /* as V8 does, for less */
  handle->packing = packing_new(root, walk, &options, &err);
  if (handle->packing == NULL) {
    free(handle);
    return value_throw(env, &err);
  }
  if (napi_create_external(env, handle, free_handle, NULL, &value) != napi_ok) free_handle(env, handle, NULL);
  return value;
}

napi_value packing_run(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  struct packing_step step;
  size_t room;
  struct handle *handle = args_external(&args, 0);
  struct walk_bytes walk = walk_of(&args, 1);
  uint8_t *out = (uint8_t *)args_bytes(&args, 2, &room);
  int64_t *counts = args_int64s(&args, 3, COUNTS);
  if (args.failed) return NULL;
  if (handle->packing == NULL) {
    napi_throw_error(env, NULL, "the packing is closed");
    return NULL;
  }
  if (packing_step(handle->packing, walk, out, room, &step, &err) < 0) return value_throw(env, &err);
  const int64_t values[COUNTS] = {(int64_t)step.written, step.first, step.end, step.ended, step.changed};
  for (size_t i = 0; i < COUNTS; i++) counts[i] = values[i];
  return value_undefined(env);
}

napi_value packing_close(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct handle *handle = args_external(&args, 0);
  if (args.failed) return NULL;
  packing_free(&handle->packing);
  return value_undefined(env);
}
