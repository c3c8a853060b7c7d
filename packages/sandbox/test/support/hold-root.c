/*
 * hold-root LOWER UPPER WORK: makes a detached overlay mount, prints the number of its descriptor and keeps it open until stdin
 * ends. A test opens it through /proc/PID/fd: tests of this package must not depend on the addon that makes such mounts.
 */
#define _GNU_SOURCE
#include <linux/mount.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
  char byte;
  if (argc != 4) return 2;
  int fs = (int)syscall(SYS_fsopen, "overlay", 0);
  const char *const keys[] = {"lowerdir", "upperdir", "workdir"};
  for (int i = 0; i < 3; i++) {
    if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, keys[i], argv[i + 1], 0) < 0) perror(keys[i]);
  }
  if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, 0, 0, 0) < 0) perror("create");
  int mount = (int)syscall(SYS_fsmount, fs, 0, 0);
  if (mount < 0) perror("fsmount");
  printf("%d\n", mount);
  fflush(stdout);
  return read(0, &byte, 1) < 0;
}
