/*
 * tsbuild-settle MARK: does in place of a tsbuild that has ended what nobody should wait for. Standard input is the base folder of the state folder.
 *
 * It forks, and the first process ends at once, so that whoever started it need not stay to reap it. The second, when all that was
 * written to the file system is on the disk, renames MARK.begun to MARK.done; when the disk does not take it, to MARK.failed. Killed before, it
 * leaves MARK.begun. An empty MARK: nothing is waited for.
 *
 * Then it empties trash/. What cannot be removed is left to the next build, which has someone to tell of it; the state folder may be gone by
 * then, too.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../fs/core/cleanup.h"
#include "../fs/core/names.h"
#include "../fs/core/remove.h"

enum { USAGE = 2, NICENESS = 10, PATIENCE_MS = 500 };

/* A mark that is not on the disk costs the layers that are. */
static int rename_mark(int base, const char *mark, const char *outcome) {
  char from[PATH_MAX], to[PATH_MAX];
  if (snprintf(from, sizeof from, "%s.begun", mark) >= (int)sizeof from) return -1;
  if (snprintf(to, sizeof to, "%s.%s", mark, outcome) >= (int)sizeof to) return -1;
  if (renameat(base, from, base, to) < 0) return -1;
  cleanup_fd int folder = openat(base, "syncs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return folder < 0 ? -1 : fsync(folder);
}

static void empty_trash(int base) {
  struct err err = ERR_INIT;
  struct names names cleanup_with(names_free) = {0};
  cleanup_fd int trash = openat(base, "trash", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (trash < 0 || names_read(&names, trash, "trash", &err) < 0) return;
  for (size_t i = 0; i < names.count; i++) remove_entry(trash, names.list[i].text, names.list[i].text, &err);
}

/* Until `process` has ended: its last writes should not wait for all others'. A program that uses tsbuild may live on. */
static void wait_for(int process) {
  struct pollfd poll_for = {.fd = process, .events = POLLIN};
  if (process >= 0) poll(&poll_for, 1, PATIENCE_MS);
}

int main(int argc, char *argv[]) {
  if (argc != 2) return USAGE;
  int starter = (int)syscall(SYS_pidfd_open, getppid(), 0);
  pid_t pid = fork();
  if (pid != 0) return pid < 0;
  /* Neither the terminal that closes nor the reader of a pipe that waits for its end has to do with this. */
  setsid();
  close(STDOUT_FILENO);
  close(STDERR_FILENO);
  /* syncfs refuses O_PATH descriptors. */
  int base = openat(STDIN_FILENO, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (base < 0) return 1;
  wait_for(starter);
  if (argv[1][0] != '\0') rename_mark(base, argv[1], syncfs(base) < 0 ? "failed" : "done");
  nice(NICENESS);
  empty_trash(base);
  return 0;
}
