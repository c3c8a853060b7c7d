/* The operations that start processes: each plan is begun by the supervisor, built by PID 1, and ended by the command's own. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "adopt.h"
#include "ahead.h"
#include "report.h"
#include "sandbox.h"
#include "supervise.h"
#include "sys.h"

static int make_pipe(int *read_end, int *write_end, const char *what, struct err *err) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return fail(err, "pipe2", what);
  *read_end = ends[0];
  *write_end = ends[1];
  return 0;
}

/* Standard streams of the sandbox: real pipes, so that /dev/stdout can be opened again (a socket cannot). */
static int make_streams(struct streams *streams, uint32_t flags, struct err *err) {
  int ends[2];
  *streams = NO_STREAMS;
  if (report_channel(ends, err) < 0) return -1;
  streams->report_read = ends[0];
  streams->report_write = ends[1];
  if (flags & PLAN_TERMINAL) return 0;
  for (int i = 0; i < 2; i++) {
    if (make_pipe(&streams->output_read[i], &streams->output_write[i], "output", err) < 0) return -1;
  }
  if ((flags & PLAN_INPUT) == 0) return 0;
  return make_pipe(&streams->input_read, &streams->input_write, "input", err);
}

/*
 * The kernel kills PID 1, and with it all of the namespace, when the supervisor dies in whatever way. One that adopts has to kill the
 * step itself: it is told by a signal that it outlives, and leaves the group that a terminal or a caller may kill as a whole.
 */
static int die_with_parent(const struct sandbox *sb, int report, struct err *err) {
  if (sb->adopts && adopt_orphans(err) < 0) return -1;
  if (sb->adopts && setsid() < 0) return fail(err, "setsid", "");
  if (prctl(PR_SET_PDEATHSIG, sb->adopts ? SIGTERM : SIGKILL, 0, 0, 0) < 0) return fail(err, "prctl", "PR_SET_PDEATHSIG");
  /* It may have died before that line: then nobody reads the report any more. */
  struct pollfd reader = {.fd = report};
  if (poll(&reader, 1, 0) < 0) return fail(err, "poll", "report");
  if (reader.revents & (POLLERR | POLLHUP)) _exit(1);
  return 0;
}

/* One end of a pipe becomes a standard stream, the other stays with the supervisor. */
static int take_stream(int theirs, int ours, int number, struct err *err) {
  if (ours < 0) return 0;
  close(theirs);
  if (dup2(ours, number) < 0) return fail(err, "dup2", "stream");
  return close(ours);
}

/* The new PID 1 takes its streams and lets go of the supervisor's. */
static int become_init(struct sandbox *sb, const struct streams *streams, struct err *err) {
  /* In the place of Node's socket: numbers from there on are for what comes with the second half of a plan. */
  if (dup3(streams->report_write, sb->control, O_CLOEXEC) < 0) return fail(err, "dup3", "report");
  close(streams->report_write);
  sb->report = sb->control;
  /* While this process holds the other end too, it cannot see that the supervisor's is gone. */
  close(streams->report_read);
  if (die_with_parent(sb, sb->report, err) < 0) return -1;
  if (take_stream(streams->input_write, streams->input_read, STDIN_FILENO, err) < 0) return -1;
  for (int i = 0; i < 2; i++) {
    if (take_stream(streams->output_read[i], streams->output_write[i], i + 1, err) < 0) return -1;
  }
  /* Modes in the plan are meant as they are; the command's own mask comes later. */
  umask(0);
  return 0;
}

/* The supervisor keeps nothing of the sandbox open, or the mounts would outlive it. */
static void release_plan_fds(const struct sandbox *sb, struct streams *streams) {
  for (uint32_t i = 0; i < sb->plan->fd_count; i++) close(FIRST_PLAN_FD + (int)i);
  for (uint32_t i = 0; i < sb->tree_count; i++) close(sb->trees[i].fd);
  if (sb->group >= 0) close(sb->group);
  close(streams->report_write);
  if (streams->input_read >= 0) close(streams->input_read);
  for (int i = 0; i < 2; i++) {
    if (streams->output_write[i] >= 0) close(streams->output_write[i]);
  }
}

/* What is told of a failure comes when nothing is left of the sandbox. */
static void end_init(pid_t pid) {
  kill(pid, SIGKILL);
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
}

int op_clone(struct sandbox *sb, const struct op *op, struct err *err) {
  struct streams streams;
  if (sb->report >= 0) return fail_with(err, EINVAL, "clone3", "second clone in a plan");
  if (comes_in_halves(sb->plan) && prepare_halves(sb, err) < 0) return -1;
  if (make_streams(&streams, sb->plan->flags, err) < 0) return -1;
  struct clone_args args = {.flags = op->arg[0].number, .exit_signal = SIGCHLD};
  if (sb->group >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = (uint64_t)sb->group;
  }
  sb->adopts = (op->arg[0].number & CLONE_NEWPID) == 0;
  if (sb->adopts && adopt_orphans(err) < 0) return -1;
  /* Containers forbid clone3 as a whole, as their filters cannot look at its flags. */
  int pid = args.flags == 0 ? fork() : sys_clone3(&args);
  if (pid < 0) return fail(err, args.flags == 0 ? "fork" : "clone3", "");
  if (pid == 0) return become_init(sb, &streams, err);
  release_plan_fds(sb, &streams);
  leave_signals_to_node();
  if (sb->shared != NULL && hand_on_rest(sb, streams.report_read, err) < 0) {
    end_init(pid);
    return -1;
  }
  _exit(supervise(sb->control, pid, &streams, sb->adopts));
}

int op_join_cgroups(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)sb;
  for (char *const *path = op->arg[0].list.items; *path != NULL; path++) {
    int fd = open(*path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return fail(err, "open", *path);
    ssize_t written = write(fd, "0", 1);
    if (written != 1) fail(err, "write", *path);
    close(fd);
    if (written != 1) return -1;
  }
  return 0;
}

int op_unshare(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)sb;
  return unshare((int)op->arg[0].number) < 0 ? fail(err, "unshare", "") : 0;
}

int op_join_namespace(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)sb;
  return setns(plan_fd(&op->arg[0]), (int)op->arg[1].number) < 0 ? fail(err, "setns", "") : 0;
}

int op_keep_user_namespace(struct sandbox *sb, const struct op *op, struct err *err) {
  if (sb->report < 0) return fail_with(err, EINVAL, "setns", "user namespace before clone");
  sb->user_namespace = plan_fd(&op->arg[0]);
  return 0;
}

int op_join_user_namespace(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)op;
  if (setns(sb->user_namespace, CLONE_NEWUSER) < 0) return fail(err, "setns", "user namespace");
  close(sb->user_namespace);
  sb->user_namespace = -1;
  return 0;
}

/* What one that adopts waits for; blocked since before the command was there, so that none is lost. */
static void block_news(int how) {
  sigset_t news;
  sigemptyset(&news);
  sigaddset(&news, SIGTERM);
  sigaddset(&news, SIGCHLD);
  sigprocmask(how, &news, NULL);
}

/* Told to end, by Node's wish or the supervisor's death: nobody wants to know how the step ended. */
static void await_news(void) {
  sigset_t news;
  sigemptyset(&news);
  sigaddset(&news, SIGTERM);
  sigaddset(&news, SIGCHLD);
  if (sigwaitinfo(&news, NULL) != SIGTERM) return;
  kill_children();
  _exit(1);
}

/* Reaps whatever ends until the command does; then the kernel kills the rest of the namespace with this process. */
static _Noreturn void reap(int report, pid_t command, bool adopts) {
  struct report message = {.kind = REPORT_EXITED};
  for (;;) {
    pid_t pid = waitpid(-1, &message.wait_status, adopts ? WNOHANG : 0);
    if (pid == command) break;
    if (pid == 0) await_news();
    if (pid < 0 && errno != EINTR) _exit(1);
  }
  if (adopts) kill_children();
  _exit(report_send(report, &message, -1) == 0 ? 0 : 1);
}

/*
 * PID 1 needs nothing but its report: it keeps no capability, stream or folder that the command could reach through /proc/1. One that
 * adopts keeps the right to kill processes of any user.
 */
static _Noreturn void remain_as_init(struct sandbox *sb, pid_t command) {
  struct err err;
  uint64_t kept = sb->adopts ? 1u << CAP_KILL : 0;
  const struct op none = {.arg = {{.number = kept}, {.number = kept}, {.number = 0}}};
  /* Signals for the command are the supervisor's to send, which has the right: this process has none over other users. Where an outer
   * sandbox forbids such a handle, the command can only be killed. */
  struct report started = {.kind = REPORT_STARTED};
  int handle = (int)syscall(SYS_pidfd_open, command, 0);
  if (handle >= 0 && report_send(sb->report, &started, handle) < 0) _exit(1);
  if (dup2(sb->report, 0) < 0) _exit(1);
  if (sys_close_range(1, ~0u, 0) < 0) _exit(1);
  if (op_capabilities(sb, &none, &err) < 0) _exit(1);
  reap(0, command, sb->adopts);
}

int op_fork(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)op;
  if (sb->report < 0) return fail_with(err, EINVAL, "fork", "fork before clone");
  if (sb->adopts) block_news(SIG_BLOCK);
  pid_t pid = fork();
  if (pid < 0) return fail(err, "fork", "");
  if (pid > 0) remain_as_init(sb, pid);
  if (sb->adopts) block_news(SIG_UNBLOCK);
  return 0;
}
