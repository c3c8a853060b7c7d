#ifndef TSB_ERR_H
#define TSB_ERR_H

#include <stdint.h>

/* Why a plan stopped. `line` is the index of the plan's operation, -1 before the first. */
struct err {
  int32_t line;
  int32_t errnum;
  char call[24];
  char text[224];
};

/* Records errno, the call that failed and what it was about; returns -1 so that callers write `return fail(…)`. */
int fail(struct err *err, const char *call, const char *text);

/* The same with an errno of one's own. */
int fail_with(struct err *err, int errnum, const char *call, const char *text);

#endif
