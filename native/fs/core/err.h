/*
 * How every function of the core reports failure: it returns -1 and fills `struct err`, once, at the place where the
 * call failed. Functions that succeed leave it alone.
 */
#pragma once
#include <stdint.h>

struct err {
  int code;         /* errno; 0 while nothing has failed */
  const char *call; /* static text: the system call, or what was decoded */
  char *path;       /* owned; NULL when no path is concerned */
  int64_t index;    /* of the op or path in a batch; -1 outside one */
  char detail[256]; /* one more sentence, often empty */
};

#define ERR_INIT ((struct err){.index = -1})

/* All return -1. err_sys takes the code from errno. */
int err_set(struct err *err, int code, const char *call, const char *path);
/* errno of a chown; ids that a user namespace does not know (EINVAL) are named, with what gives a user more of them. */
int err_owner(struct err *err, const char *call, const char *path, unsigned uid, unsigned gid);
int err_sys(struct err *err, const char *call, const char *path);
int err_detail(struct err *err, int code, const char *call, const char *path, const char *detail);
void err_free(struct err *err);
