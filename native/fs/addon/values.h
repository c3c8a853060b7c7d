/* Results and errors as JavaScript values. */
#pragma once
#include <node_api.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/buf.h"
#include "../core/err.h"

/* An Error with code, errno, syscall, path and index; frees what `err` holds. */
napi_value value_error(napi_env env, struct err *err);
/* Throws it; returns NULL for the caller to return. */
napi_value value_throw(napi_env env, struct err *err);
/* A Buffer that takes over the memory of `buf`. */
napi_value value_buffer(napi_env env, struct buf *buf);
napi_value value_integer(napi_env env, int64_t value);
napi_value value_boolean(napi_env env, bool value);
napi_value value_undefined(napi_env env);
/* A digest of at most 64 bytes as lower-case hexadecimal digits. */
napi_value value_hex(napi_env env, const uint8_t *bytes, size_t len);
