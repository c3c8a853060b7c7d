#include "err.h"

#include <errno.h>
#include <stddef.h>

static void copy_text(char *to, size_t size, const char *from) {
  size_t i = 0;
  for (; i + 1 < size && from[i] != '\0'; i++) to[i] = from[i];
  to[i] = '\0';
}

int fail_with(struct err *err, int errnum, const char *call, const char *text) {
  err->errnum = errnum;
  copy_text(err->call, sizeof err->call, call);
  copy_text(err->text, sizeof err->text, text);
  return -1;
}

int fail(struct err *err, const char *call, const char *text) { return fail_with(err, errno, call, text); }
