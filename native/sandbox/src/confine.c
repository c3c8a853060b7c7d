/* Confinement by the kernel's security module: the profile that the command's exec enters. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "sandbox.h"
#include "sys.h"

/* PROC_ROOT_INO of the kernel's proc_fs.h: the top of a procfs, and no folder of one. */
#define PROC_ROOT 1

/* setprocattr takes no more than a page. */
#define PROFILE_BYTES 4000

/*
 * The step's mounts may hide /proc, or parts of it: a file of theirs would take the name of the profile, and the exec enter none
 * (CVE-2019-16884, CVE-2019-19921). So the folder has to be the top of a procfs, and nothing is followed out of that one mount.
 */
static int open_proc(struct err *err) {
  struct statfs fs;
  struct stat st;
  int proc = sys_openat2(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_NO_SYMLINKS);
  if (proc < 0) return fail(err, "openat2", "/proc");
  if (fstatfs(proc, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC && fstat(proc, &st) == 0 && st.st_ino == PROC_ROOT) return proc;
  close(proc);
  return fail_with(err, EPERM, "apparmor", "/proc is not the kernel's");
}

static int open_attribute(const char *profile, struct err *err) {
  int proc = open_proc(err);
  if (proc < 0) return -1;
  int file = sys_openat2(proc, "thread-self/attr/apparmor/exec", O_WRONLY | O_CLOEXEC, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
  int errnum = errno;
  close(proc);
  if (file >= 0) return file;
  if (errnum == EXDEV) return fail_with(err, EPERM, "apparmor", "/proc is not the kernel's");
  /* A kernel that was built without has no such file. */
  return fail_with(err, errnum == ENOENT ? EINVAL : errnum, "apparmor", profile);
}

int op_apparmor(struct sandbox *sb, const struct op *op, struct err *err) {
  char text[PROFILE_BYTES];
  const char *profile = op->arg[0].data.bytes;
  if (sb->report < 0) return fail_with(err, EINVAL, "apparmor", "profile before clone");
  int size = snprintf(text, sizeof text, "exec %s", profile);
  if (size < 0 || (size_t)size >= sizeof text) return fail_with(err, ENAMETOOLONG, "apparmor", profile);
  int file = open_attribute(profile, err);
  if (file < 0) return -1;
  ssize_t written = write(file, text, (size_t)size);
  int result = written == size ? 0 : written < 0 ? fail(err, "apparmor", profile) : fail_with(err, EIO, "apparmor", profile);
  close(file);
  return result;
}
