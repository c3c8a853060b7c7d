#include "values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { HEX_BYTES_MAX = 64 };

static void set_text(napi_env env, napi_value object, const char *key, const char *text) {
  napi_value value;
  if (napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value) == napi_ok)
    napi_set_named_property(env, object, key, value);
}

static void set_integer(napi_env env, napi_value object, const char *key, int64_t number) {
  napi_set_named_property(env, object, key, value_integer(env, number));
}

/* libuv's table lacks the rarer codes (ESTALE, EUCLEAN), glibc's is whole and younger (2.32). */
static const char *code_name(int code, char *buffer, size_t size) {
#if defined __GLIBC__ && __GLIBC_PREREQ(2, 32)
  const char *name = strerrorname_np(code);
  if (name != NULL) return name;
#endif
  return uv_err_name_r(-code, buffer, size);
}

/* `ENOENT: openat2 'etc/passwd': detail` */
static char *message_of(const struct err *err, const char *code) {
  const char *quote = err->path == NULL ? "" : "'";
  char *message = NULL;
  int len = asprintf(&message, "%s: %s%s%s%s%s%s%s", code, err->call, err->path == NULL ? "" : " ",
                     quote, err->path == NULL ? "" : err->path, quote, err->detail[0] == '\0' ? "" : ": ", err->detail);
  return len < 0 ? NULL : message;
}

napi_value value_error(napi_env env, struct err *err) {
  napi_value message, error;
  char name[64];
  const char *code = code_name(err->code, name, sizeof name);
  char *text = message_of(err, code);
  napi_create_string_utf8(env, text == NULL ? "out of memory" : text, NAPI_AUTO_LENGTH, &message);
  free(text);
  napi_create_error(env, NULL, message, &error);
  set_integer(env, error, "errno", -(int64_t)err->code);
  set_text(env, error, "code", code);
  set_text(env, error, "syscall", err->call);
  if (err->path != NULL) set_text(env, error, "path", err->path);
  if (err->index >= 0) set_integer(env, error, "index", err->index);
  err_free(err);
  return error;
}

napi_value value_throw(napi_env env, struct err *err) {
  napi_throw(env, value_error(env, err));
  return NULL;
}

static void free_data(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  free(data);
}

napi_value value_buffer(napi_env env, struct buf *buf) {
  napi_value buffer = NULL;
  void *data;
  if (buf->len == 0) {
    buf_free(buf);
    napi_create_buffer(env, 0, &data, &buffer);
    return buffer;
  }
  buf_trim(buf);
  if (napi_create_external_buffer(env, buf->len, buf->data, free_data, NULL, &buffer) == napi_ok) {
    *buf = (struct buf){0};
    return buffer;
  }
  /* Embedders may forbid memory from outside. */
  napi_create_buffer_copy(env, buf->len, buf->data, &data, &buffer);
  buf_free(buf);
  return buffer;
}

napi_value value_integer(napi_env env, int64_t number) {
  napi_value value;
  napi_create_int64(env, number, &value);
  return value;
}

napi_value value_boolean(napi_env env, bool boolean) {
  napi_value value;
  napi_get_boolean(env, boolean, &value);
  return value;
}

napi_value value_undefined(napi_env env) {
  napi_value value;
  napi_get_undefined(env, &value);
  return value;
}

napi_value value_hex(napi_env env, const uint8_t *bytes, size_t len) {
  static const char digits[] = "0123456789abcdef";
  char text[2 * HEX_BYTES_MAX];
  napi_value value = NULL;
  if (len > HEX_BYTES_MAX) abort();
  for (size_t i = 0; i < len; i++) {
    text[2 * i] = digits[bytes[i] >> 4];
    text[2 * i + 1] = digits[bytes[i] & 15];
  }
  napi_create_string_latin1(env, text, 2 * len, &value);
  return value;
}
