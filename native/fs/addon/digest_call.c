#include "addon.h"

#include "../core/sha256.h"
#include "args.h"
#include "values.h"

napi_value sha256(napi_env env, napi_callback_info info) {
  /* One for all calls of the process, never freed: its context is what a digest of few bytes costs most. Worker threads do not call this. */
  static _Thread_local struct sha256 *hash;
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  size_t len;
  uint8_t digest[SHA256_BYTES];
  const uint8_t *bytes = args_bytes(&args, 0, &len);
  if (args.failed) return NULL;
  if (hash == NULL) hash = sha256_new(&err);
  if (hash == NULL || sha256_begin(hash, &err) < 0 || sha256_update(hash, bytes, len, &err) < 0 ||
      sha256_end(hash, digest, &err) < 0)
    return value_throw(env, &err);
  return value_hex(env, digest, sizeof digest);
}

static void free_hash(napi_env env, void *data, void *hint) {
  struct sha256 *hash = data;
  (void)env;
  (void)hint;
  sha256_free(&hash);
}

napi_value hash_new(napi_env env, napi_callback_info info) {
  struct err err = ERR_INIT;
  napi_value value = NULL;
  (void)info;
  struct sha256 *hash = sha256_new(&err);
  if (hash == NULL || sha256_begin(hash, &err) < 0) {
    sha256_free(&hash);
    return value_throw(env, &err);
  }
  if (napi_create_external(env, hash, free_hash, NULL, &value) != napi_ok) sha256_free(&hash);
  return value;
}

napi_value hash_update(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  size_t len;
  struct sha256 *hash = args_external(&args, 0);
  const uint8_t *bytes = args_bytes(&args, 1, &len);
  if (args.failed) return NULL;
  return sha256_update(hash, bytes, len, &err) < 0 ? value_throw(env, &err) : value_undefined(env);
}

napi_value hash_end(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  uint8_t digest[SHA256_BYTES];
  struct sha256 *hash = args_external(&args, 0);
  if (args.failed) return NULL;
  return sha256_end(hash, digest, &err) < 0 ? value_throw(env, &err) : value_hex(env, digest, sizeof digest);
}
