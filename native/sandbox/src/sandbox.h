#ifndef TSB_SANDBOX_H
#define TSB_SANDBOX_H

#include <stdbool.h>

#include "err.h"
#include "plan.h"

/* Where Node hands over its end of the conversation, and the first descriptor that plans may name. */
#define CONTROL_FD 3
#define FIRST_PLAN_FD 4

#define MAX_TREES 512

/* A cloned mount, or what to clone once it is attached to the sandbox's own namespace. */
struct tree {
  int fd;
  const struct op *pending;
};

/* The process that performs a plan: first the supervisor, then PID 1, then the command's own. */
struct sandbox {
  const struct plan *plan;
  /* Socket to Node; only the supervisor uses it. */
  int control;
  /* On which PID 1 and the command's process report to the supervisor (see report.h); -1 before `clone`. */
  int report;
  /* The new root once it is mounted; -1 before. */
  int root;
  /* What was the root before `root`; -1: nothing was staged. */
  int staged;
  /* The host's root between `root` (or `stage`) and `enter_root`; -1 before and after. */
  int host;
  /* For `join_user_namespace`; -1: none. No folder, so that it may stay open in the new root. */
  int user_namespace;
  /* With an OCI runtime: an empty folder of the host for what has to be mounted somewhere in passing; else NULL. */
  const char *aside;
  /* There is no pid namespace whose end is the end of all its processes. */
  bool adopts;
  /* The v2 control group that PID 1 starts in; -1: this process's own. */
  int group;
  /* With a plan that comes in two halves: where the second one lies, in memory that supervisor and PID 1 share; else NULL. */
  char *shared;
  struct plan rest;
  /* Lines of the half that was performed before: what is told of a failure counts from there. */
  uint32_t lines_before;
  uint32_t tree_count;
  struct tree trees[MAX_TREES];
};

/* Before the first line of a plan. */
#define SANDBOX_INIT {.control = CONTROL_FD, .report = -1, .root = -1, .staged = -1, .host = -1, .user_namespace = -1, .group = -1}

/* The descriptor behind the index of an FD argument. */
static inline int plan_fd(const union arg *arg) { return FIRST_PLAN_FD + (int)arg->number; }

/* Reads so many bytes of what comes in on the control socket; ECANCELED when it ends before. */
int receive(int control, void *bytes, size_t size, struct err *err);

/* Reads the plan that comes in on the control socket. */
int receive_plan(int control, struct plan *plan, struct err *err);

/*
 * Once at the start, before anything of a step is known: goes on as `PROGRAM task sealed` in a copy of the program that nobody can write to
 * (`state`: this is it), closes what was inherited to every exec, and to every look from outside.
 */
int prepare_program(const char *state, const char *task, struct err *err);

/* Reads the plan from the control socket and performs it. Returns the exit status of the supervisor, also where PID 1 or the command failed. */
int run_step(void);

/* Performs the plan from operation `first` on. Returns only on failure: a plan ends with an exec. */
int perform(struct sandbox *sb, uint32_t first, struct err *err);

/* Performs one operation. */
int perform_op(struct sandbox *sb, uint32_t index, struct err *err);

/*
 * Once in the new root, paths of the image are looked up by the usual calls, and /proc/self/fd leads to every open folder of the host,
 * close-on-exec or not: a working folder, a program or a /dev/null of that name would be outside (CVE-2024-21626). So nothing
 * but the standard streams, the report, a socket, and a user namespace that is yet to be joined stays open.
 */
int keep_report_only(struct sandbox *sb, struct err *err);

/* One function per line of plan.def: op_clone, op_mount, … */
#define PLAN_OP(name, args) int op_##name(struct sandbox *sb, const struct op *op, struct err *err);
#include "../../plan.def"
#undef PLAN_OP

#endif
