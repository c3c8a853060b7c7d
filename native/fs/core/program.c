#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"

static int describe_files(posix_spawn_file_actions_t *files, int input, int errors) {
  int code = posix_spawn_file_actions_adddup2(files, input, STDIN_FILENO);
  if (code == 0) code = posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  if (code == 0) code = posix_spawn_file_actions_adddup2(files, errors, STDERR_FILENO);
  if (code == 0) code = posix_spawn_file_actions_addchdir_np(files, "/");
  return code;
}

static int describe_signals(posix_spawnattr_t *attributes) {
  sigset_t none, all;
  sigemptyset(&none);
  /* Not sigfillset, which leaves out the two that the C library has for itself: it would have the program ignore those. */
  memset(&all, 0xff, sizeof all);
  int code = posix_spawnattr_setsigmask(attributes, &none);
  if (code == 0) code = posix_spawnattr_setsigdefault(attributes, &all);
  if (code == 0) code = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  return code;
}

/* Returns an errno, as posix_spawn does. */
static int spawn_with(pid_t *pid, const char *path, char *const args[], int input, int errors) {
  char *const environment[] = {NULL};
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  int code = posix_spawn_file_actions_init(&files);
  if (code != 0) return code;
  code = posix_spawnattr_init(&attributes);
  if (code == 0) {
    code = describe_files(&files, input, errors);
    if (code == 0) code = describe_signals(&attributes);
    if (code == 0) code = posix_spawn(pid, path, &files, &attributes, args, environment);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&files);
  return code;
}

int program_start(const char *path, char *const args[], int input, struct program *program, struct err *err) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return err_sys(err, "pipe2", NULL);
  cleanup_fd int read_end = ends[0];
  cleanup_fd int write_end = ends[1];
  int code = spawn_with(&program->pid, path, args, input, write_end);
  if (code != 0) return err_set(err, code, "posix_spawn", path);
  program->errors = take_fd(&read_end);
  return 0;
}

int program_ended(pid_t pid, int *status, struct err *err) {
  pid_t ended;
  do ended = waitpid(pid, status, WNOHANG);
  while (ended < 0 && errno == EINTR);
  return ended < 0 ? err_sys(err, "waitpid", NULL) : ended > 0;
}
