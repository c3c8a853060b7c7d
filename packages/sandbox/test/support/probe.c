/* Makes calls that the default seccomp profile has a word on and prints what became of each. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void show(const char *name, long result) {
  const char *word = result >= 0 ? "ok" : errno == EPERM ? "EPERM" : errno == ENOSYS ? "ENOSYS" : "other";
  printf("%s %s\n", name, word);
}

/* A child asks to be traced by this process: PID 1 of the sandbox would be no tracer. */
static long trace_child(void) {
  int status = 0;
  pid_t pid = fork();
  if (pid == 0) _exit(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 ? 0 : errno);
  waitpid(pid, &status, 0);
  errno = WEXITSTATUS(status);
  return errno == 0 ? 0 : -1;
}

/* Type, owner, permissions and name of the session keyring (KEYCTL_DESCRIBE). */
static void describe_keyring(void) {
  char text[256] = "";
  if (syscall(SYS_keyctl, 6, -3, text, sizeof text - 1, 0) < 0) snprintf(text, sizeof text, errno == ENOSYS ? "ENOSYS" : "%m");
  puts(text);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "keyring") == 0) return describe_keyring(), 0;
  if (argc > 1 && strcmp(argv[1], "euid") == 0) return printf("%d %d\n", getuid(), geteuid()) < 0;
  show("keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0));
  show("unshare", unshare(CLONE_NEWUTS));
  show("ptrace", trace_child());
  show("clone3", syscall(SYS_clone3, 0, 0));
  show("unknown", syscall(900));
  show("vsock", socket(40, SOCK_STREAM, 0));
  show("personality", personality(ADDR_NO_RANDOMIZE));
  return 0;
}
