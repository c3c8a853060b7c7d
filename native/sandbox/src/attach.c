#define _GNU_SOURCE
#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frames.h"
#include "resolve.h"
#include "sandbox.h"
#include "sys.h"


enum { FAILED = 125, CLONE_TREE = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE };

/* What is mounted on host paths: triples of descriptor, path beneath it, target. The first is the root; then what they were cloned to. */
struct attachments {
  char **triples;
  int count;
  int *trees;
};

static int clone_attached(const char *fd, const char *path, struct err *err) {
  int source = open_beneath(atoi(fd), path, err);
  if (source < 0) return -1;
  int tree = sys_open_tree(source, "", CLONE_TREE);
  /* Before Linux 6.15 a detached mount cannot be cloned: then it is moved itself. */
  if (tree < 0 && errno == EINVAL && path[0] == '\0') return source;
  return tree < 0 ? fail(err, "open_tree", path) : tree;
}

/* In this namespace, the only one where what is not detached can be cloned: the attachments, and the trees that the plan begins with. */
static int clone_all(struct sandbox *sb, struct attachments *attached, uint32_t *next, struct err *err) {
  for (int i = 0; i < attached->count; i++) {
    attached->trees[i] = clone_attached(attached->triples[3 * i], attached->triples[3 * i + 1], err);
    if (attached->trees[i] < 0) return -1;
  }
  for (; *next < sb->plan->op_count && sb->plan->ops[*next].code == OP_tree; ++*next)
    if (perform_op(sb, *next, err) < 0) return -1;
  return 0;
}

/* The folders that the runtime mounts on have to be the root's own: at a link's end may be what others write to. */
static int check_system_folders(int root, struct err *err) {
  static const char *const names[] = {"proc", "dev", "sys"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    int fd = sys_openat2(root, names[i], O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
    if (fd < 0 && errno != ENOENT) return fail(err, "openat2", names[i]);
    if (fd >= 0) close(fd);
  }
  return 0;
}

static int mount_all(struct sandbox *sb, const struct attachments *attached, uint32_t next, struct err *err) {
  err->line = -1;
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return fail(err, "mount", "/");
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) return fail(err, "mount", "/proc");
  for (int i = 0; i < attached->count; i++) {
    const char *target = attached->triples[3 * i + 2];
    if (syscall(SYS_move_mount, attached->trees[i], "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
      return fail(err, "move_mount", target);
  }
  if (attached->count == 0) return 0;
  sb->root = attached->trees[0];
  if (check_system_folders(sb->root, err) < 0) return -1;
  for (; next < sb->plan->op_count; next++)
    if (perform_op(sb, next, err) < 0) return -1;
  return 0;
}

/* Node hears it on the control socket. */
static int fail_attach(const struct sandbox *sb, const struct err *err) {
  (void)send_failure(sb->control, err);
  return FAILED;
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
static int run_inside(struct sandbox *sb, const struct attachments *attached, uint32_t next, char **program, const sigset_t *before) {
  struct err err = {.line = -1};
  sigset_t held, ignored;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return FAILED;
  if (mount_all(sb, attached, next, &err) < 0) return fail_attach(sb, &err);
  if (sys_close_range(CONTROL_FD, ~0U, CLOSE_RANGE_CLOEXEC) < 0) return FAILED;
  hold_signals(&held, &ignored);
  pid_t child = fork();
  if (child != 0) return child < 0 ? FAILED : relay_until(child, &held);
  sigprocmask(SIG_SETMASK, before, NULL);
  execvp(program[0], program);
  err.line = -1;
  fail(&err, "execve", program[0]);
  _exit(fail_attach(sb, &err));
}

static int count_triples(int argc, char **argv) {
  int count = 0;
  while (3 * count < argc && strcmp(argv[3 * count], "--") != 0) count++;
  return 3 * count + 1 < argc ? count : -1;
}

int attach_main(int argc, char **argv) {
  struct err err = {.line = -1};
  struct plan plan;
  struct sandbox sb = SANDBOX_INIT;
  sb.plan = &plan;
  struct attachments attached = {.triples = argv + 1, .count = argc < 1 ? -1 : count_triples(argc - 1, argv + 1)};
  sigset_t held, before;
  uint32_t next = 0;
  if (attached.count < 0) return FAILED;
  sb.aside = argv[0];
  attached.trees = calloc((size_t)attached.count + 1, sizeof *attached.trees);
  if (attached.trees == NULL || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return FAILED;
  if (receive_plan(sb.control, &plan, &err) < 0 || clone_all(&sb, &attached, &next, &err) < 0) return fail_attach(&sb, &err);
  if (unshare(CLONE_NEWNS | CLONE_NEWPID) < 0) {
    fail(&err, "unshare", "");
    return fail_attach(&sb, &err);
  }
  hold_signals(&held, &before);
  pid_t child = fork();
  if (child == 0) _exit(run_inside(&sb, &attached, next, attached.triples + 3 * attached.count + 1, &before));
  return child < 0 ? FAILED : relay_until(child, &held);
}
