#define _GNU_SOURCE
#include "adopt.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STAT_BYTES = 512, PAUSE_NS = 500000 };

int adopt_orphans(struct err *err) {
  return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ? fail(err, "prctl", "PR_SET_CHILD_SUBREAPER") : 0;
}

/* The fourth word of proc_pid_stat(5); the second is a name in brackets that may hold anything, brackets and blanks too. */
static pid_t parent_of(const char *pid) {
  char path[64], text[STAT_BYTES];
  snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t size = read(fd, text, sizeof text - 1);
  close(fd);
  if (size <= 0) return -1;
  text[size] = '\0';
  const char *after = strrchr(text, ')');
  int parent = -1;
  return after != NULL && sscanf(after + 1, " %*c %d", &parent) == 1 ? parent : -1;
}

static void signal_children(void) {
  DIR *processes = opendir("/proc");
  if (processes == NULL) return;
  for (struct dirent *entry; (entry = readdir(processes)) != NULL;)
    if (isdigit((unsigned char)entry->d_name[0]) && parent_of(entry->d_name) == getpid()) kill(atoi(entry->d_name), SIGKILL);
  closedir(processes);
}

void kill_children(void) {
  const struct timespec pause = {.tv_nsec = PAUSE_NS};
  for (;;) {
    pid_t ended;
    while ((ended = waitpid(-1, NULL, WNOHANG)) > 0) continue;
    if (ended < 0 && errno == ECHILD) return;
    signal_children();
    nanosleep(&pause, NULL);
  }
}
