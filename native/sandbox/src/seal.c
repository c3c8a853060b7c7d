#define _GNU_SOURCE
#include "seal.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#include "sys.h"

enum { COPY_BYTES = 1 << 20 };

/* Where nothing may be mounted: a copy in memory that cannot be written to. */
static int seal_copy(struct err *err) {
  const unsigned seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  int copy = memfd_create("tsbuild-sandbox", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (copy < 0) return fail(err, "memfd_create", "");
  int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (program < 0) return fail(err, "open", "/proc/self/exe");
  for (ssize_t sent = 1; sent > 0;)
    if ((sent = sendfile(copy, program, NULL, COPY_BYTES)) < 0) return fail(err, "sendfile", "/proc/self/exe");
  close(program);
  return fcntl(copy, F_ADD_SEALS, seals) < 0 ? fail(err, "fcntl", "F_ADD_SEALS") : copy;
}

/*
 * A detached read-only clone of the one file: 0.5 ms with the second exec, against 0.9 ms for a sealed copy in memory. Writing
 * through /proc/PID/exe fails with EROFS, as the link leads to this mount and not to the folder that the file lies in.
 */
int seal_binary(const char *state, const char *task, struct err *err) {
  char name[] = "tsbuild-sandbox", sealed[] = "sealed";
  char *const args[] = {name, (char *)task, sealed, NULL};
  char *const env[] = {NULL};
  struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
  if (strcmp(state, sealed) == 0) return 0;
  int clone = sys_open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  bool refused = clone < 0 && (errno == EPERM || errno == ENOSYS);
  if (refused) clone = seal_copy(err);
  if (clone < 0) return refused ? -1 : fail(err, "open_tree", "/proc/self/exe");
  if (!refused && sys_mount_setattr(clone, AT_EMPTY_PATH, &read_only) < 0) return fail(err, "mount_setattr", "/proc/self/exe");
  syscall(SYS_execveat, clone, "", args, env, AT_EMPTY_PATH);
  return fail(err, "execveat", "/proc/self/exe");
}
