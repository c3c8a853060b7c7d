/* The operations on the process itself: who it is and what it may do. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>

#include "report.h"
#include "resolve.h"
#include "sandbox.h"
#include "sys.h"

int op_hostname(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)sb;
  if (sethostname(op->arg[0].data.bytes, op->arg[0].data.size) < 0)
    return fail(err, "sethostname", op->arg[0].data.bytes);
  return 0;
}

int op_loopback_up(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)sb, (void)op;
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(err, "socket", "lo");
  int result = ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? fail(err, "ioctl", "lo") : 0;
  close(fd);
  return result;
}

static int open_as_stdin(const char *path, int flags, uint64_t resolve, struct err *err) {
  int fd = sys_openat2(AT_FDCWD, path, (uint64_t)(flags | O_CLOEXEC | O_NOCTTY), resolve);
  if (fd < 0) return fail(err, "open", path);
  if (dup2(fd, 0) < 0) return fail(err, "dup2", "stdin");
  close(fd);
  return 0;
}

int op_stdin_null(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)sb, (void)op;
  /* Whatever a mount put there: never one of this program's own descriptors or PID 1's. */
  return open_as_stdin("/dev/null", O_RDWR, RESOLVE_NO_MAGICLINKS, err);
}

int op_stdin_descriptor(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)sb;
  return dup2(plan_fd(&op->arg[0]), STDIN_FILENO) < 0 ? fail(err, "dup2", "stdin") : 0;
}

/* A child that shares the descriptors moves into the new namespace: in a user namespace there would be no way back for this process. */
int op_stdin_network(struct sandbox *sb, const struct op *op, struct err *err) {
  struct clone_args args = {.flags = CLONE_FILES, .exit_signal = SIGCHLD};
  int status = 0;
  int pid = sys_clone3(&args);
  if (pid < 0) return fail(err, "clone3", "network");
  if (pid == 0) {
    if (unshare(CLONE_NEWNET) < 0) _exit(errno);
    int made = op_loopback_up(sb, op, err) == 0 && open_as_stdin("/proc/self/ns/net", O_RDONLY, 0, err) == 0;
    _exit(made ? 0 : err->errnum);
  }
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return fail(err, "waitpid", "network");
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
  return fail_with(err, WIFEXITED(status) ? WEXITSTATUS(status) : EINTR, "unshare", "network");
}

int op_new_session(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)sb, (void)op;
  return setsid() < 0 ? fail(err, "setsid", "") : 0;
}

int op_session_keyring(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)sb;
  if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, op->arg[0].data.bytes, 0, 0, 0) >= 0) return 0;
  /* Kernels without keyrings, outer sandboxes that forbid them, and the per-user quota are no reason to fail. */
  if (errno == ENOSYS || errno == EPERM || errno == EACCES || errno == EDQUOT) return 0;
  return fail(err, "keyctl", op->arg[0].data.bytes);
}

int op_rlimit(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)sb;
  struct rlimit limit = {.rlim_cur = op->arg[1].number, .rlim_max = op->arg[2].number};
  return setrlimit((int)op->arg[0].number, &limit) < 0 ? fail(err, "setrlimit", "") : 0;
}

int op_bounding(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)sb;
  for (unsigned cap = 0; cap < 64; cap++) {
    if (op->arg[0].number >> cap & 1) continue;
    if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0) continue;
    if (errno == EINVAL) return 0; /* beyond the kernel's last */
    return fail(err, "prctl", "PR_CAPBSET_DROP");
  }
  return 0;
}

/* The supervisor gets what hears of the calls that wait; nothing of it stays here. */
static int hand_over_listener(const struct sandbox *sb, int listener, struct err *err) {
  struct report report = {.kind = REPORT_LISTENER};
  if (sb->report < 0) return fail_with(err, EINVAL, "seccomp", "listener before clone");
  if (report_send(sb->report, &report, listener) < 0) return fail(err, "sendmsg", "listener");
  return close(listener);
}

int op_seccomp(struct sandbox *sb, const struct op *op, struct err *err) {
  bool waits = (op->arg[1].number & 1) != 0;
  uint32_t size = op->arg[0].data.size;
  struct sock_filter program[BPF_MAXINSNS];
  if (size % sizeof program[0] != 0 || size > sizeof program) return fail_with(err, EINVAL, "seccomp", "size");
  /* The plan's bytes lie at any address; the program is copied to one that suits it. */
  memcpy(program, op->arg[0].data.bytes, size);
  struct sock_fprog filter = {.len = (unsigned short)(size / sizeof program[0]), .filter = program};
  int result = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, waits ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0, &filter);
  if (result < 0) return fail(err, "seccomp", "filter");
  return waits ? hand_over_listener(sb, result, err) : 0;
}

int op_user(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)sb;
  gid_t groups[1024];
  uint32_t size = op->arg[2].data.size;
  if (size % sizeof groups[0] != 0 || size > sizeof groups) return fail_with(err, EINVAL, "setgroups", "size");
  memcpy(groups, op->arg[2].data.bytes, size);
  uid_t uid = (uid_t)op->arg[0].number;
  gid_t gid = (gid_t)op->arg[1].number;
  /* The kernel takes (uid_t)-1 for "as it is", which is root, and would cut larger numbers off. */
  if (op->arg[0].number >= UINT32_MAX || op->arg[1].number >= UINT32_MAX) return fail_with(err, EINVAL, "setresuid", "id");
  bool keeps_groups = (op->arg[3].number & 1) != 0;
  if (!keeps_groups && setgroups(size / sizeof groups[0], groups) < 0) return fail(err, "setgroups", "");
  if (setresgid(gid, gid, gid) < 0) return fail(err, "setresgid", "");
  /* Leaving uid 0 empties the permitted and effective sets: what a user without file capabilities has (as runc does). */
  if (setresuid(uid, uid, uid) < 0) return fail(err, "setresuid", "");
  return 0;
}

int op_capabilities(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)sb;
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  for (int i = 0; i < 2; i++) {
    data[i].effective = (uint32_t)(op->arg[0].number >> 32 * i);
    data[i].permitted = (uint32_t)(op->arg[1].number >> 32 * i);
    data[i].inheritable = (uint32_t)(op->arg[2].number >> 32 * i);
  }
  return syscall(SYS_capset, &header, data) < 0 ? fail(err, "capset", "") : 0;
}

int op_umask(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)sb, (void)err;
  umask((mode_t)op->arg[0].number);
  return 0;
}

int op_chroot(struct sandbox *sb, const struct op *op, struct err *err) {
  if (sb->report < 0) return fail_with(err, EINVAL, "chroot", "chroot before clone");
  if (fchdir(plan_fd(&op->arg[0])) < 0) return fail(err, "fchdir", "root");
  if (chroot(".") < 0) return fail(err, "chroot", "");
  return keep_report_only(sb, err);
}

int op_chdir(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)sb;
  const char *path = op->arg[0].data.bytes;
  /* This process may still look into PID 1: a folder that is named through /proc/PID/fd or cwd would be one of theirs. */
  int fd = sys_openat2(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_NO_MAGICLINKS);
  if (fd < 0) return fail(err, "chdir", path);
  int result = fchdir(fd) < 0 ? fail(err, "chdir", path) : 0;
  close(fd);
  return result;
}
