#include "addon.h"

#include <string.h>
#include <unistd.h>

#include "../core/pass.h"
#include "args.h"
#include "values.h"

static napi_value pair_value(napi_env env, const int ends[2]) {
  napi_value pair;
  if (napi_create_array_with_length(env, 2, &pair) != napi_ok) return NULL;
  for (uint32_t i = 0; i < 2; i++)
    if (napi_set_element(env, pair, i, value_integer(env, ends[i])) != napi_ok) return NULL;
  return pair;
}

napi_value socket_pair(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  int ends[2];
  bool packets = args_boolean(&args, 0);
  if (args.failed) return NULL;
  return pass_pair(packets, ends, &err) < 0 ? value_throw(env, &err) : pair_value(env, ends);
}

/* The descriptors come as the bytes of an Int32Array. */
napi_value send_descriptors(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  size_t len, fd_bytes;
  int fds[PASS_FDS_MAX];
  int socket = (int)args_integer(&args, 0);
  const uint8_t *bytes = args_bytes(&args, 1, &len);
  const uint8_t *list = args_bytes(&args, 2, &fd_bytes);
  if (args.failed) return NULL;
  size_t count = fd_bytes / sizeof *fds;
  memcpy(fds, list, sizeof *fds * (count < PASS_FDS_MAX ? count : PASS_FDS_MAX));
  return pass_send(socket, bytes, len, fds, count, &err) < 0 ? value_throw(env, &err) : value_undefined(env);
}
