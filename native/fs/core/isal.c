#include "isal.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(offsetof(struct isal_state, block_state) == 21160, "ABI of libisal.so.2");
_Static_assert(offsetof(struct isal_state, crc_flag) == 21172, "ABI of libisal.so.2");
_Static_assert(sizeof(struct isal_state) >= 87368, "ABI of libisal.so.2");

enum { GZIP_FORMAT = 1 };

static struct isal loaded;
static const struct isal *found;
static pthread_once_t once = PTHREAD_ONCE_INIT;

void isal_begin(const struct isal *isal, struct isal_state *state) {
  isal->init(state);
  state->crc_flag = GZIP_FORMAT;
}

/* A member of the five bytes "ISA-L", stored: were the memory laid out otherwise, nothing would come of it. */
static bool works(const struct isal *isal) {
  static const uint8_t packed[] = {0x1f, 0x8b, 8,   0,   0,   0,   0,   0,    0,    0xff, 1,    5, 0, 0xfa,
                                   0xff, 'I',  'S', 'A', '-', 'L', 0xca, 0xdd, 0x61, 0x64, 5,    0, 0, 0};
  uint8_t out[16];
  struct isal_state *state = malloc(sizeof *state);
  if (state == NULL) return false;
  isal_begin(isal, state);
  state->next_in = packed;
  state->avail_in = sizeof packed;
  state->next_out = out;
  state->avail_out = sizeof out;
  bool is_right = isal->inflate(state) == ISAL_OK && state->block_state == ISAL_BLOCK_FINISH && state->next_out == out + 5 &&
                  memcmp(out, "ISA-L", 5) == 0;
  free(state);
  return is_right;
}

static void load(void) {
  void *library = dlopen("libisal.so.2", RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return;
  *(void **)&loaded.inflate = dlsym(library, "isal_inflate");
  *(void **)&loaded.reset = dlsym(library, "isal_inflate_reset");
  *(void **)&loaded.init = dlsym(library, "isal_inflate_init");
  bool is_whole = loaded.inflate != NULL && loaded.reset != NULL && loaded.init != NULL;
  if (is_whole && works(&loaded)) found = &loaded;
  else dlclose(library);
}

const struct isal *isal_load(void) {
  pthread_once(&once, load);
  return found;
}

const char *isal_message(int result) {
  switch (result) {
    case ISAL_INVALID_BLOCK: return "invalid block";
    case ISAL_INVALID_SYMBOL: return "invalid code";
    case ISAL_INVALID_LOOKBACK: return "invalid distance too far back";
    case ISAL_INVALID_WRAPPER: return "incorrect header check";
    case ISAL_UNSUPPORTED_METHOD: return "unknown compression method";
    default: return "incorrect data check";
  }
}
