#include "../core/inflate.h"

#include "addon.h"
#include "args.h"
#include "values.h"

static void free_inflater(napi_env env, void *data, void *hint) {
  struct inflater *inflater = data;
  (void)env;
  (void)hint;
  inflater_free(&inflater);
}

napi_value inflate_new(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  napi_value value = NULL;
  enum inflate_library library = args_boolean(&args, 0) ? INFLATE_ISAL : INFLATE_ZLIB;
  bool checked = args_boolean(&args, 1);
  if (args.failed) return NULL;
  struct inflater *inflater = inflater_new(library, checked, &err);
  if (inflater == NULL) return value_throw(env, &err);
  if (napi_create_external(env, inflater, free_inflater, NULL, &value) != napi_ok) inflater_free(&inflater);
  return value;
}

napi_value inflate_best_is_isal(napi_env env, napi_callback_info info) {
  (void)info;
  return value_boolean(env, inflate_best() == INFLATE_ISAL);
}

/* Returns whether the member ended; how much was consumed and produced goes into the two numbers given. */
napi_value inflate_run(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  struct inflate_step step;
  size_t len, room;
  struct inflater *inflater = args_external(&args, 0);
  const uint8_t *in = args_bytes(&args, 1, &len);
  uint8_t *out = (uint8_t *)args_bytes(&args, 2, &room);
  int64_t *counts = args_int64s(&args, 3, 2);
  if (args.failed) return NULL;
  if (inflater_run(inflater, in, len, out, room, &step, &err) < 0) return value_throw(env, &err);
  counts[0] = (int64_t)step.consumed;
  counts[1] = (int64_t)step.produced;
  return value_boolean(env, step.ended);
}
