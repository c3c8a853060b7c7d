#define _GNU_SOURCE
#include "emulate.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "sys.h"

enum { FAILED = 126 };

static int complain(const char *call, const char *what) {
  fprintf(stderr, "%s %s: %d\n", call, what, errno);
  return -1;
}

/* Each range of ids that this namespace knows, under its own numbers: `first first count` for the kernel's `first outside count`. */
static int same_ids(const char *own, char *text, size_t size) {
  FILE *map = fopen(own, "re");
  if (map == NULL) return complain("open", own);
  unsigned long first, outside, count;
  size_t used = 0;
  while (used < size && fscanf(map, "%lu %lu %lu", &first, &outside, &count) == 3)
    used += (size_t)snprintf(text + used, size - used, "%lu %lu %lu\n", first, first, count);
  fclose(map);
  if (used > 0 && used < size) return 0;
  errno = E2BIG;
  return complain("read", own);
}

static int write_all(int dir, const char *path, const char *text) {
  int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return complain("open", path);
  size_t size = strlen(text);
  ssize_t written = write(fd, text, size);
  if (written < 0) complain("write", path);
  close(fd);
  return written == (ssize_t)size ? 0 : -1;
}

/* In the namespace outside: only from there all ids of it can be mapped. */
static int map_ids(pid_t pid) {
  static const char *const kinds[] = {"gid_map", "uid_map"};
  for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    char text[4096], own[32], path[64];
    snprintf(own, sizeof own, "/proc/self/%s", kinds[i]);
    snprintf(path, sizeof path, "/proc/%d/%s", pid, kinds[i]);
    if (same_ids(own, text, sizeof text) < 0 || write_all(AT_FDCWD, path, text) < 0) return -1;
  }
  return 0;
}

/* Enters a new user and mount namespace; a child that stays outside maps the ids when this process is in. */
static int enter_namespace(void) {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) < 0) return complain("pipe2", "");
  pid_t self = getpid();
  pid_t child = fork();
  if (child < 0) return complain("fork", "");
  if (child == 0) {
    char byte;
    close(ready[1]);
    _exit(read(ready[0], &byte, 1) == 1 && map_ids(self) == 0 ? 0 : FAILED);
  }
  close(ready[0]);
  int entered = unshare(CLONE_NEWUSER | CLONE_NEWNS);
  if (entered < 0) complain("unshare", "user namespace");
  else if (write(ready[1], "", 1) != 1) entered = complain("write", "pipe");
  close(ready[1]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return entered == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* The mount stays where only its descriptor leads; the rules live as long as it. */
static int register_rules(int count, char **rules) {
  int fs = sys_fsopen("binfmt_misc");
  if (fs < 0) return complain("fsopen", "binfmt_misc");
  if (sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL) < 0) return complain("fsconfig", "binfmt_misc");
  int mount = sys_fsmount(fs, 0);
  if (mount < 0) return complain("fsmount", "binfmt_misc");
  close(fs);
  for (int i = 0; i < count; i++)
    if (write_all(mount, "register", rules[i]) < 0) return -1;
  return 0;
}

int emulate_main(int argc, char **argv) {
  char byte;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return FAILED;
  if (enter_namespace() < 0 || (argc > 0 && register_rules(argc, argv) < 0)) return FAILED;
  /* The namespace's processes have other rights than those who made it: becoming one resets this. */
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || write(STDOUT_FILENO, "ready\n", 6) != 6) return FAILED;
  while (read(STDIN_FILENO, &byte, 1) > 0 || errno == EINTR) errno = 0;
  return 0;
}
