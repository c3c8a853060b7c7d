#define _GNU_SOURCE
#include "seal.h"

#include <stddef.h>
#include <string.h>

#include "sys.h"

/*
 * A detached read-only clone of the one file: 0.5 ms with the second exec, against 0.9 ms for a sealed copy in memory. Writing
 * through /proc/PID/exe fails with EROFS, as the link leads to this mount and not to the folder that the file lies in.
 */
int seal_binary(const char *state, struct err *err) {
  char name[] = "tsbuild-sandbox", sealed[] = "sealed";
  char *const args[] = {name, sealed, NULL};
  char *const env[] = {NULL};
  struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
  if (strcmp(state, sealed) == 0) return 0;
  int clone = sys_open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (clone < 0) return fail(err, "open_tree", "/proc/self/exe");
  if (sys_mount_setattr(clone, AT_EMPTY_PATH, &read_only) < 0) return fail(err, "mount_setattr", "/proc/self/exe");
  syscall(SYS_execveat, clone, "", args, env, AT_EMPTY_PATH);
  return fail(err, "execveat", "/proc/self/exe");
}
