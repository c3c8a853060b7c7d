/* The names in one folder, in byte order. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct name {
  uint64_t key;     /* first eight bytes, big-endian: settles most comparisons */
  const char *text; /* into `bytes` */
};

struct names {
  char *bytes;
  struct name *list;
  size_t count;
};

/* Reads a folder opened for reading, without "." and "..", from its start. `path` is for errors. */
int names_read(struct names *names, int dir, const char *path, struct err *err);
void names_free(struct names *names);
