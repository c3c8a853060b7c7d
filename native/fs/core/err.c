#include "err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int err_set(struct err *err, int code, const char *call, const char *path) {
  return err_detail(err, code, call, path, "");
}

int err_sys(struct err *err, const char *call, const char *path) {
  return err_detail(err, errno, call, path, "");
}

int err_owner(struct err *err, const char *call, const char *path, unsigned uid, unsigned gid) {
  char detail[sizeof err->detail];
  if (errno != EINVAL) return err_sys(err, call, path);
  snprintf(detail, sizeof detail, "owner %u:%u is not mapped in this user namespace; for subordinate ids "
           "(usermod --add-subuids): tsbuild doctor says which are free", uid, gid);
  return err_detail(err, EINVAL, call, path, detail);
}

int err_detail(struct err *err, int code, const char *call, const char *path, const char *detail) {
  char *old = err->path; /* `path` may be this very text */
  err->code = code;
  err->call = call;
  err->path = path == NULL ? NULL : strdup(path);
  free(old);
  snprintf(err->detail, sizeof err->detail, "%s", detail);
  return -1;
}

void err_free(struct err *err) {
  free(err->path);
  err->path = NULL;
}
