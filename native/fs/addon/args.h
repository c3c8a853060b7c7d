/*
 * Unpacks the arguments of one call. The first wrong one throws a TypeError and sets `failed`; later ones then yield harmless values, so
 * that a function reads them all and checks once.
 */
#pragma once
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ARGS_MAX = 13 };

struct args {
  napi_env env;
  size_t count;
  napi_value values[ARGS_MAX];
  bool failed;
};

struct args args_get(napi_env env, napi_callback_info info);
int64_t args_integer(struct args *args, size_t at);
bool args_boolean(struct args *args, size_t at);
bool args_given(struct args *args, size_t at);
/* A string, or a Buffer for names that are not UTF-8. To be freed; NULL when it holds a NUL. */
char *args_text(struct args *args, size_t at);
/* As args_text; NULL when the argument is undefined. */
char *args_optional_text(struct args *args, size_t at);
/* The bytes of a Uint8Array, valid while it lives. */
const uint8_t *args_bytes(struct args *args, size_t at, size_t *len);
/* For a BigInt64Array of at least `count`. */
/* What an `external` of the addon holds. */
void *args_external(struct args *args, size_t at);
int64_t *args_int64s(struct args *args, size_t at, size_t count);
