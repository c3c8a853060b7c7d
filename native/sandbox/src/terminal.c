#define _GNU_SOURCE
#include "terminal.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* A process in the background that changes its terminal is stopped by SIGTTOU, unless it blocks that: giving back must not stop. */
static void set_mode(const struct termios *mode) {
  sigset_t output, before;
  sigemptyset(&output);
  sigaddset(&output, SIGTTOU);
  sigprocmask(SIG_BLOCK, &output, &before);
  tcsetattr(STDIN_FILENO, TCSANOW, mode);
  sigprocmask(SIG_SETMASK, &before, NULL);
}

static void make_raw(const struct terminal *terminal) {
  struct termios raw = terminal->saved;
  cfmakeraw(&raw);
  /* From the background this stops the job, as reading would: it goes on when it is brought back. */
  tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

void terminal_begin(struct terminal *terminal, int master) {
  sigset_t changes;
  sigemptyset(&changes);
  sigaddset(&changes, SIGWINCH);
  sigaddset(&changes, SIGCONT);
  sigprocmask(SIG_BLOCK, &changes, NULL);
  terminal->master = master;
  terminal->changes = signalfd(-1, &changes, SFD_CLOEXEC | SFD_NONBLOCK);
  if (tcgetattr(STDIN_FILENO, &terminal->saved) < 0) return;
  terminal->is_raw = true;
  make_raw(terminal);
}

void terminal_changed(struct terminal *terminal) {
  struct signalfd_siginfo info;
  struct winsize size;
  if (read(terminal->changes, &info, sizeof info) != sizeof info) return;
  if (info.ssi_signo == SIGCONT && terminal->is_raw) make_raw(terminal);
  if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) ioctl(terminal->master, TIOCSWINSZ, &size);
}

void terminal_restore(struct terminal *terminal) {
  if (terminal->is_raw) set_mode(&terminal->saved);
  terminal->is_raw = false;
}
