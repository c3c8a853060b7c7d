#define _GNU_SOURCE
#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys.h"

enum { FAILED = 125, CLONE_TREE = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE };

static int fail_attach(const char *call, const char *what) {
  fprintf(stderr, "tsbuild: cannot start the OCI runtime: %s %s: %s\n", call, what, strerror(errno));
  return -1;
}

static int open_beneath(int fd, const char *path) {
  return path[0] == '\0' ? fd : sys_openat2(fd, path, O_PATH | O_CLOEXEC, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

/* Before Linux 6.15 a detached mount cannot be cloned by path: then it is moved itself. */
static int clone_tree(const char *fd, const char *path) {
  int source = open_beneath(atoi(fd), path);
  if (source < 0) return fail_attach("openat2", path);
  int tree = (int)syscall(SYS_open_tree, source, "", CLONE_TREE);
  if (tree < 0 && errno == EINVAL && path[0] == '\0') return source;
  return tree < 0 ? fail_attach("open_tree", path) : tree;
}

/* Replaces each descriptor's number by that of its clone: in this namespace, the only one where what is not detached can be. */
static int clone_all(char **triples, int count, int *trees) {
  for (int i = 0; i < count; i++)
    if ((trees[i] = clone_tree(triples[3 * i], triples[3 * i + 1])) < 0) return -1;
  return 0;
}

static int mount_all(char **triples, int count, const int *trees) {
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return fail_attach("mount", "/");
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) return fail_attach("mount", "/proc");
  for (int i = 0; i < count; i++)
    if (syscall(SYS_move_mount, trees[i], "", AT_FDCWD, triples[3 * i + 2], MOVE_MOUNT_F_EMPTY_PATH) < 0)
      return fail_attach("move_mount", triples[3 * i + 2]);
  return 0;
}

static int status_of(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

/* What is passed on to the program, and SIGCHLD. Blocked, they wait for `relay_until`: also for PID 1, which would not get them else. */
static void hold_signals(sigset_t *held, sigset_t *before) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD};
  sigemptyset(held);
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) sigaddset(held, numbers[i]);
  sigprocmask(SIG_BLOCK, held, before);
}

/* True, with its status, when the child is among those that have ended. */
static bool reap(pid_t child, int *status) {
  pid_t ended;
  while ((ended = waitpid(-1, status, WNOHANG)) > 0) {
    if (ended == child) return true;
  }
  return false;
}

/* Passes signals on to the child until it ends; reaps whatever else does. */
static int relay_until(pid_t child, const sigset_t *held) {
  int status = 0;
  for (;;) {
    int number = sigwaitinfo(held, NULL);
    if (number == SIGCHLD && reap(child, &status)) return status_of(status);
    if (number > 0 && number != SIGCHLD) kill(child, number);
  }
}

/* PID 1: mounts, starts the program and ends with it; its end is that of the namespace. */
static int run_inside(char **triples, int count, const int *trees, char **program, const sigset_t *before) {
  sigset_t held, ignored;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || mount_all(triples, count, trees) < 0) return FAILED;
  if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) < 0) return FAILED;
  hold_signals(&held, &ignored);
  pid_t child = fork();
  if (child != 0) return child < 0 ? FAILED : relay_until(child, &held);
  sigprocmask(SIG_SETMASK, before, NULL);
  execvp(program[0], program);
  fail_attach("execve", program[0]);
  _exit(FAILED);
}

int attach_main(int argc, char **argv) {
  sigset_t held, before;
  int count = 0;
  while (3 * count < argc && strcmp(argv[3 * count], "--") != 0) count++;
  if (3 * count + 1 >= argc) return FAILED;
  int *trees = calloc((size_t)count + 1, sizeof *trees);
  if (trees == NULL || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || clone_all(argv, count, trees) < 0) return FAILED;
  if (unshare(CLONE_NEWNS | CLONE_NEWPID) < 0) {
    fail_attach("unshare", "");
    return FAILED;
  }
  hold_signals(&held, &before);
  pid_t child = fork();
  if (child == 0) _exit(run_inside(argv, count, trees, argv + 3 * count + 1, &before));
  return child < 0 ? FAILED : relay_until(child, &held);
}
