#ifndef TSB_SYS_H
#define TSB_SYS_H

/*
 * System calls that C libraries of the last years lack or declare in headers that clash with the kernel's. Each wrapper only
 * names the arguments.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A path with ".." in it fails with EAGAIN when anything on the machine is renamed or mounted meanwhile: tried again. */
static inline int sys_openat2(int dir, const char *path, uint64_t flags, uint64_t resolve) {
  struct open_how how = {.flags = flags, .resolve = resolve};
  int fd = -1;
  for (int tries = 0; tries < 100000; tries++) {
    fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN) break;
    sched_yield();
  }
  return fd;
}

static inline int sys_open_tree(int dir, const char *path, unsigned flags) {
  return (int)syscall(SYS_open_tree, dir, path, flags);
}

static inline int sys_move_mount(int from, int to) {
  return (int)syscall(SYS_move_mount, from, "", to, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

static inline int sys_mount_setattr(int dir, unsigned flags, struct mount_attr *attr) {
  return (int)syscall(SYS_mount_setattr, dir, "", flags, attr, sizeof *attr);
}

static inline int sys_fsopen(const char *type) { return (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC); }

static inline int sys_fsconfig(int fs, unsigned command, const char *key, const char *value) {
  return (int)syscall(SYS_fsconfig, fs, command, key, value, 0);
}

static inline int sys_fsmount(int fs, unsigned attrs) { return (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attrs); }

static inline int sys_pivot_root(const char *new_root, const char *put_old) {
  return (int)syscall(SYS_pivot_root, new_root, put_old);
}

static inline int sys_umount2(const char *path, int flags) { return (int)syscall(SYS_umount2, path, flags); }

static inline int sys_clone3(struct clone_args *args) { return (int)syscall(SYS_clone3, args, sizeof *args); }

static inline int sys_close_range(unsigned first, unsigned last, unsigned flags) {
  return (int)syscall(SYS_close_range, first, last, flags);
}

#endif
