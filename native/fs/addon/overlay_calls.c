#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "../core/cleanup.h"
#include "../core/layers.h"
#include "../core/memory.h"
#include "../core/overlay.h"
#include "args.h"
#include "values.h"

/* The elements of an array of texts, as one allocation of pointers; each is to be freed. */
static char **texts_at(struct args *args, size_t at, uint32_t *count) {
  struct args element = {.env = args->env, .count = 1};
  *count = 0;
  uint32_t len = 0;
  if (!args->failed && napi_get_array_length(args->env, args->values[at], &len) != napi_ok) args->failed = true;
  char **texts = calloc((size_t)len + 1, sizeof *texts);
  for (; texts != NULL && !args->failed && *count < len; (*count)++) {
    napi_get_element(args->env, args->values[at], *count, &element.values[0]);
    texts[*count] = args_text(&element, 0);
    args->failed = element.failed;
  }
  return texts;
}

static void free_texts(char **texts) {
  for (char **text = texts; text != NULL && *text != NULL; text++) free(*text);
  free(texts);
}

napi_value mount_overlay(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  uint32_t count;
  cleanup_free char *upper = args_optional_text(&args, 1);
  cleanup_free char *work = args_optional_text(&args, 2);
  struct overlay overlay = {.upper = upper, .work = work};
  overlay.userxattr = args_boolean(&args, 3);
  overlay.volatile_upper = args_boolean(&args, 4);
  char **lowers = texts_at(&args, 0, &count);
  overlay.lowers = (const char *const *)lowers;
  overlay.lower_count = count;
  int fd = args.failed || lowers == NULL ? -1 : overlay_mount(&overlay, &err);
  free_texts(lowers);
  if (args.failed) return NULL;
  return fd < 0 ? value_throw(env, &err) : value_integer(env, fd);
}

static int open_layers(char *const *paths, int *folders, uint32_t count, struct err *err) {
  for (uint32_t i = 0; i < count; i++) {
    folders[i] = open(paths[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folders[i] < 0) return err_sys(err, "open", paths[i]);
  }
  return 0;
}

static int find_in_layers(char *const *layers, uint32_t count, const struct layers_query *query, size_t *layer,
                          struct err *err) {
  int *folders = calloc((size_t)count + 1, sizeof *folders);
  if (folders == NULL) return err_set(err, ENOMEM, "calloc", NULL);
  memset(folders, -1, sizeof *folders * count);
  int found = open_layers(layers, folders, count, err);
  if (found == 0) found = layers_find(folders, count, query, layer, err);
  for (uint32_t i = 0; i < count; i++) cleanup_close(&folders[i]);
  free(folders);
  return found;
}

napi_value plain_layer(napi_env env, napi_callback_info info) {
  struct args args = args_get(env, info);
  struct err err = ERR_INIT;
  uint32_t count;
  size_t layer = 0;
  cleanup_free char *path = args_text(&args, 1);
  struct layers_query query = {.path = path, .userxattr = args_boolean(&args, 2), .wants_file = args_boolean(&args, 3)};
  char **layers = texts_at(&args, 0, &count);
  int found = args.failed || layers == NULL ? -1 : find_in_layers(layers, count, &query, &layer, &err);
  free_texts(layers);
  if (args.failed) return NULL;
  if (found < 0) return value_throw(env, &err);
  return found == 0 ? value_undefined(env) : value_integer(env, (int64_t)layer);
}

napi_value mount_memory(napi_env env, napi_callback_info info) {
  (void)info;
  struct err err = ERR_INIT;
  int fd = memory_mount(&err);
  return fd < 0 ? value_throw(env, &err) : value_integer(env, fd);
}
