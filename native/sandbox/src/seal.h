#ifndef TSB_SEAL_H
#define TSB_SEAL_H

#include "err.h"

/*
 * Makes sure that the running binary cannot be written to through /proc/PID/exe: a command that is executed as
 * "/proc/self/exe" would otherwise hold a writable link to a file of the host (CVE-2019-5736). `state` is the program's second
 * argument: "" at the first start, which executes itself again from a read-only mount, as `PROGRAM task sealed`.
 */
int seal_binary(const char *state, const char *task, struct err *err);

#endif
