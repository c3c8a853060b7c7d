#include "support.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_state;

void seed_random(uint64_t seed) {
  random_state = seed | 1;
}

/* xorshift64: the same seed gives the same run. */
uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

void check(int result, const char *what, struct err *err) {
  if (result >= 0) return;
  fprintf(stderr, "%s: %s %s: %s\n", what, err->call, err->path == NULL ? "" : err->path, strerror(err->code));
  exit(1);
}
