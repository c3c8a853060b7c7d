#include "args.h"

#include <stdlib.h>
#include <string.h>

static void fail(struct args *args, const char *message) {
  if (!args->failed) napi_throw_type_error(args->env, "ERR_INVALID_ARG_TYPE", message);
  args->failed = true;
}

struct args args_get(napi_env env, napi_callback_info info) {
  struct args args = {.env = env, .count = ARGS_MAX};
  napi_get_cb_info(env, info, &args.count, args.values, NULL, NULL);
  return args;
}

bool args_given(struct args *args, size_t at) {
  napi_valuetype type = napi_undefined;
  if (at < args->count) napi_typeof(args->env, args->values[at], &type);
  return type != napi_undefined;
}

int64_t args_integer(struct args *args, size_t at) {
  int64_t value = 0;
  if (args->failed || at >= args->count || napi_get_value_int64(args->env, args->values[at], &value) != napi_ok)
    fail(args, "expected an integer");
  return value;
}

bool args_boolean(struct args *args, size_t at) {
  bool value = false;
  if (args->failed || at >= args->count || napi_get_value_bool(args->env, args->values[at], &value) != napi_ok)
    fail(args, "expected a boolean");
  return value;
}

const uint8_t *args_bytes(struct args *args, size_t at, size_t *len) {
  napi_typedarray_type type;
  void *data = NULL;
  *len = 0;
  if (args->failed || at >= args->count ||
      napi_get_typedarray_info(args->env, args->values[at], &type, len, &data, NULL, NULL) != napi_ok ||
      type != napi_uint8_array)
    fail(args, "expected a Uint8Array");
  /* An empty array has no memory; callers need not know. */
  return *len == 0 || args->failed ? (const uint8_t *)"" : data;
}

void *args_external(struct args *args, size_t at) {
  napi_valuetype type = napi_undefined;
  void *data = NULL;
  if (!args->failed && at < args->count) napi_typeof(args->env, args->values[at], &type);
  if (type != napi_external || napi_get_value_external(args->env, args->values[at], &data) != napi_ok)
    fail(args, "expected what the addon has made");
  return data;
}

int64_t *args_int64s(struct args *args, size_t at, size_t count) {
  napi_typedarray_type type;
  size_t len = 0;
  void *data = NULL;
  if (args->failed || at >= args->count ||
      napi_get_typedarray_info(args->env, args->values[at], &type, &len, &data, NULL, NULL) != napi_ok ||
      type != napi_bigint64_array || len < count)
    fail(args, "expected a BigInt64Array");
  return data;
}

static char *text_of_string(struct args *args, napi_value value) {
  size_t len;
  if (napi_get_value_string_utf8(args->env, value, NULL, 0, &len) != napi_ok) return NULL;
  char *text = malloc(len + 1);
  if (text == NULL || napi_get_value_string_utf8(args->env, value, text, len + 1, &len) != napi_ok ||
      memchr(text, '\0', len) != NULL) {
    free(text);
    return NULL;
  }
  return text;
}

static char *text_of_bytes(struct args *args, size_t at) {
  size_t len;
  const uint8_t *bytes = args_bytes(args, at, &len);
  if (args->failed || memchr(bytes, '\0', len) != NULL) return NULL;
  char *text = malloc(len + 1);
  if (text == NULL) return NULL;
  memcpy(text, bytes, len);
  text[len] = '\0';
  return text;
}

char *args_text(struct args *args, size_t at) {
  napi_valuetype type = napi_undefined;
  if (args->failed) return NULL;
  if (at < args->count) napi_typeof(args->env, args->values[at], &type);
  char *text = type == napi_string ? text_of_string(args, args->values[at]) : text_of_bytes(args, at);
  if (text == NULL) fail(args, "expected a text without NUL");
  return text;
}

char *args_optional_text(struct args *args, size_t at) {
  return args_given(args, at) ? args_text(args, at) : NULL;
}
