#include "memory.h"

#include <errno.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"

int memory_mount(struct err *err) {
  cleanup_fd int fs = (int)syscall(SYS_fsopen, "ramfs", FSOPEN_CLOEXEC);
  if (fs < 0) return err_sys(err, "fsopen", "ramfs");
  if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0) return err_sys(err, "fsconfig", "mode");
  if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) return err_sys(err, "fsconfig", "ramfs");
  unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  int mount = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
  return mount < 0 ? err_sys(err, "fsmount", "ramfs") : mount;
}
