/* One process that starts the supervisors of all steps: it is small, so its fork is quick, and it is sealed once. */
#define _GNU_SOURCE
#include "serve.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "sandbox.h"
#include "sys.h"

#define STEP_MAGIC "TSBSTEP1"
#define STEP_BYTES 12
/* SCM_MAX_FD: the kernel takes no more in one message. */
#define STEP_MAX_FDS 253

enum { HUNG_UP = 0, IS_STEP = 1 };

static int malformed(struct err *err, const char *what) { return fail_with(err, EBADMSG, "recvmsg", what); }

/*
 * The kernel hands out the lowest free numbers, in order, and nothing is open but the standard streams: so the descriptors of a step are
 * already where its supervisor looks for them.
 */
static int check_numbers(const struct cmsghdr *rights, uint32_t count, struct err *err) {
  if (rights == NULL || rights->cmsg_type != SCM_RIGHTS || rights->cmsg_len != CMSG_LEN(sizeof(int) * count))
    return malformed(err, "other descriptors than announced");
  for (uint32_t i = 0; i < count; i++) {
    int fd;
    memcpy(&fd, CMSG_DATA(rights) + i * sizeof fd, sizeof fd);
    if (fd != CONTROL_FD + (int)i) return malformed(err, "descriptors out of place");
  }
  return IS_STEP;
}

/* Waits for the next step, whose descriptors are open then from CONTROL_FD on. */
static int receive_step(struct err *err) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * STEP_MAX_FDS)];
  } rights;
  char bytes[STEP_BYTES];
  uint32_t count;
  struct iovec part = {.iov_base = bytes, .iov_len = sizeof bytes};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof rights};
  ssize_t size;
  do size = recvmsg(STDIN_FILENO, &message, MSG_CMSG_CLOEXEC);
  while (size < 0 && errno == EINTR);
  if (size < 0) return fail(err, "recvmsg", "step");
  if (size == 0) return HUNG_UP;
  if (size != STEP_BYTES || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return malformed(err, "wrong size");
  if (memcmp(bytes, STEP_MAGIC, 8) != 0) return malformed(err, "not a step");
  memcpy(&count, bytes + 8, sizeof count);
  if (count == 0 || count > STEP_MAX_FDS) return malformed(err, "wrong number of descriptors");
  return check_numbers(CMSG_FIRSTHDR(&message), count, err);
}

/* From here on as if Node had started this process for the one step. */
static _Noreturn void become_supervisor(const sigset_t *signals) {
  signal(SIGCHLD, SIG_DFL);
  sigprocmask(SIG_SETMASK, signals, NULL);
  if (dup2(STDOUT_FILENO, STDIN_FILENO) < 0 || dup2(STDOUT_FILENO, STDERR_FILENO) < 0) _exit(1);
  _exit(run_step());
}

/*
 * A terminal's signals, and those for a whole group of processes, are the builder's to hear: this process ends when it hangs up. Ended
 * supervisors are nobody's concern, what they had to say they have told Node.
 */
static int settle(sigset_t *signals, struct err *err) {
  sigset_t all;
  sigfillset(&all);
  if (sigprocmask(SIG_SETMASK, &all, signals) < 0) return fail(err, "sigprocmask", "");
  return signal(SIGCHLD, SIG_IGN) == SIG_ERR ? fail(err, "signal", "") : 0;
}

static int serve(struct err *err) {
  sigset_t signals;
  int received;
  if (settle(&signals, err) < 0) return -1;
  while ((received = receive_step(err)) == IS_STEP) {
    pid_t pid = fork();
    if (pid < 0) return fail(err, "fork", "");
    if (pid == 0) become_supervisor(&signals);
    /* What is under way belongs to its supervisor alone: a copy here would keep mounts alive, and Node waiting. */
    if (sys_close_range(CONTROL_FD, ~0u, 0) < 0) return fail(err, "close_range", "");
  }
  return received;
}

int serve_main(const char *state) {
  struct err err = {.line = -1};
  /* What the builder's own starter has left open is for no step. */
  if (sys_close_range(CONTROL_FD, ~0u, 0) < 0) fail(&err, "close_range", "");
  else if (prepare_program(state, "serve", &err) == 0 && serve(&err) == 0) return 0;
  dprintf(STDERR_FILENO, "%s %s: %s\n", err.call, err.text, strerror(err.errnum));
  return 1;
}
