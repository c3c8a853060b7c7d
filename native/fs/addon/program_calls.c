#include "addon.h"

#include <sys/wait.h>
#include <unistd.h>

#include "../core/cleanup.h"
#include "../core/program.h"
#include "args.h"
#include "values.h"

static napi_value pair_of(napi_env env, int64_t first, int64_t second) {
  napi_value pair;
  if (napi_create_array_with_length(env, 2, &pair) != napi_ok) return NULL;
  if (napi_set_element(env, pair, 0, value_integer(env, first)) != napi_ok) return NULL;
  return napi_set_element(env, pair, 1, value_integer(env, second)) == napi_ok ? pair : NULL;
}

napi_value start_program(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  struct program program;
  cleanup_free char *path = args_text(&args, 0);
  cleanup_free char *task = args_text(&args, 1);
  int input = (int)args_integer(&args, 2);
  if (args.failed) return NULL;
  char *const list[] = {path, task, NULL};
  if (program_start(path, list, input, &program, &err) < 0) return value_throw(env, &err);
  return pair_of(env, program.pid, program.errors);
}

/* [exit status, signal]: one of them is 0. */
napi_value program_end(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  int status;
  pid_t pid = (pid_t)args_integer(&args, 0);
  if (args.failed) return NULL;
  int ended = program_ended(pid, &status, &err);
  if (ended < 0) return value_throw(env, &err);
  if (ended == 0) return value_undefined(env);
  return WIFSIGNALED(status) ? pair_of(env, 0, WTERMSIG(status)) : pair_of(env, WEXITSTATUS(status), 0);
}

/* Destructors and other threads are not waited for. */
napi_value end_process(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  int status = (int)args_integer(&args, 0);
  if (args.failed) return NULL;
  _exit(status);
}
