/* The last operation of every plan. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox.h"
#include "sys.h"

/* What a shell says: 127 for a command that is not there, 126 for one that cannot be run. */
#define EXIT_NOT_FOUND 127
#define EXIT_CANNOT_RUN 126

static const char *path_of(char *const *env) {
  for (; *env != NULL; env++) {
    if (strncmp(*env, "PATH=", 5) == 0) return *env + 5;
  }
  return "";
}

/* Executes `dir/name`, `dir` being the first `length` bytes of a PATH entry; an empty one is the current folder. */
static void try_folder(const char *dir, size_t length, char *const *args, char *const *env) {
  char file[PATH_MAX];
  int size = length == 0 ? snprintf(file, sizeof file, "./%s", args[0])
                         : snprintf(file, sizeof file, "%.*s/%s", (int)length, dir, args[0]);
  errno = ENAMETOOLONG;
  if (size > 0 && (size_t)size < sizeof file) execve(file, args, env);
}

/* Goes through PATH as execvp does; returns the errno that tells most: EACCES wins over ENOENT. */
static int try_path(const char *path, char *const *args, char *const *env) {
  int reason = ENOENT;
  while (*path != '\0') {
    size_t length = strcspn(path, ":");
    try_folder(path, length, args, env);
    if (errno == EACCES)
      reason = EACCES;
    else if (errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG)
      return errno;
    path += length;
    if (*path == ':') path++;
  }
  return reason;
}

static void complain(const char *name, int errnum, int searched) {
  char line[512];
  const char *reason = errnum == ENOENT && searched ? "executable file not found in PATH" : strerror(errnum);
  int size = snprintf(line, sizeof line, "tsbuild: cannot execute \"%.256s\": %s\n", name, reason);
  if (size > 0 && write(2, line, (size_t)size) < 0) _exit(EXIT_NOT_FOUND);
}

int op_exec(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)sb;
  char *const *args = op->arg[0].list.items;
  char *const *env = op->arg[1].list.items;
  if (args[0] == NULL) return fail_with(err, EINVAL, "execve", "no program");
  /* Whatever is open besides the standard streams closes at the exec, also what nobody thought of. */
  if (sys_close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0) return fail(err, "close_range", "");
  int searched = strchr(args[0], '/') == NULL;
  int errnum = ENOENT;
  if (searched && args[0][0] != '\0') {
    errnum = try_path(path_of(env), args, env);
  } else if (!searched) {
    execve(args[0], args, env);
    errnum = errno;
  }
  complain(args[0], errnum, searched);
  _exit(errnum == ENOENT || errnum == ENOTDIR ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}
