/* Makes the system calls through which containers were left, and prints what became of each: "reached" the kernel or "refused". */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* EFAULT, EINVAL, EBADF and the like come from a kernel that looked at the arguments: nothing kept the call away from it. */
static void show(const char *name, long result) {
  int refused = result < 0 && (errno == EPERM || errno == ENOSYS || errno == EACCES || errno == ESRCH || errno == ENOENT);
  printf("%s %s\n", name, refused ? "refused" : "reached");
}

static long write_to(const char *path) {
  int fd = open(path, O_WRONLY);
  long result = fd < 0 ? -1 : write(fd, "", 0);
  if (fd < 0 && errno == EROFS) errno = EACCES;
  return result;
}

/* A disk of the host, by a node of one's own. */
static long open_disk(void) {
  struct stat st;
  mknod("/tmp/disk", S_IFBLK | 0600, makedev(7, 0));
  if (stat("/tmp/disk", &st) < 0) return -1;
  int fd = open("/tmp/disk", O_RDONLY);
  int error = errno;
  unlink("/tmp/disk");
  errno = error == ENXIO || error == ENODEV ? EBADF : error;
  return fd;
}

int main(int argc, char **argv) {
  char bytes[16] = {0};
  struct iovec local = {bytes, sizeof bytes}, remote = {(void *)&show, sizeof bytes};
  pid_t other = argc > 1 ? (pid_t)atoi(argv[1]) : 1;
  printf("effective user %u\n", (unsigned)geteuid());
  show("io_uring_setup", syscall(SYS_io_uring_setup, 1, NULL));
  show("userfaultfd", syscall(SYS_userfaultfd, -1));
  show("bpf", syscall(SYS_bpf, 5, NULL, 0xffffff));
  show("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
  show("add_key", syscall(SYS_add_key, "user", "tsbuild-attack", "x", 1, -3));
  show("request_key", syscall(SYS_request_key, NULL, NULL, NULL, 0));
  show("keyctl", syscall(SYS_keyctl, 0, -3, 0));
  show("mount", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
  show("umount", umount2("/nowhere/\xff", 0x7fffff00));
  show("fsopen", syscall(SYS_fsopen, NULL, 0));
  show("move_mount", syscall(SYS_move_mount, -1, NULL, -1, NULL, 0));
  show("open_tree", syscall(SYS_open_tree, -1, NULL, 0));
  show("setns", setns(-1, 0));
  show("clone3", syscall(SYS_clone3, NULL, 0));
  show("open_by_handle_at", syscall(SYS_open_by_handle_at, -1, NULL, 0));
  show("init_module", syscall(SYS_init_module, NULL, 0, ""));
  show("kexec_load", syscall(SYS_kexec_load, 0, 99999, NULL, 0));
  show("swapon", syscall(SYS_swapon, NULL, 0));
  show("acct", syscall(SYS_acct, 1));
  show("quotactl", syscall(SYS_quotactl, -1, NULL, 0, NULL));
  show("settimeofday", syscall(SYS_settimeofday, 1, NULL));
  show("personality", syscall(SYS_personality, 0x0040000));
  show("ptrace_other", ptrace(PTRACE_SEIZE, other, 0, 0));
  show("read_other", process_vm_readv(other, &local, 1, &remote, 1, 0));
  show("core_pattern", write_to("/proc/sys/kernel/core_pattern"));
  show("modprobe", write_to("/proc/sys/kernel/modprobe"));
  show("uevent_helper", write_to("/sys/kernel/uevent_helper"));
  show("disk", open_disk());
  /* Last: what comes after them has no rights outside of a namespace of its own. */
  show("unshare_user", unshare(CLONE_NEWUSER));
  show("unshare_mount", unshare(CLONE_NEWNS));
  return 0;
}
