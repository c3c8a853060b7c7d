/* A program that runs beside this one. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "err.h"

struct program {
  pid_t pid;
  int errors; /* to read what it says on its standard error; close-on-exec */
};

/*
 * Starts `path` (absolute) with `args`, in "/", with an empty environment, no signal blocked or ignored, and `input` as its standard input; what it
 * writes to its standard output is dropped. By vfork: fork would copy this process's page tables first.
 */
int program_start(const char *path, char *const args[], int input, struct program *program, struct err *err);

/* Whether it has ended: then 1, and `*status` is as of wait(2); only once. 0: not yet. */
int program_ended(pid_t pid, int *status, struct err *err);
