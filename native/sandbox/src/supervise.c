/* The supervisor: stays in the host's namespaces, between Node and PID 1 of the sandbox. */
#define _GNU_SOURCE
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adopt.h"
#include "channel.h"
#include "frames.h"
#include "network.h"
#include "report.h"
#include "terminal.h"

struct supervision {
  int control;
  pid_t init;
  /* What ends the sandbox by way of PID 1: one that adopts has to kill the step itself. */
  int ending;
  int output[2];
  /* How the command ended, or why it never ran. */
  struct report last;
  /* pidfd of the command's process; -1 before it has started. */
  int command;
  /* Signals that came before it, as bits. */
  uint64_t early;
  /* Node has hung up: the sandbox was killed, and nobody waits for its output. */
  bool is_killed;
  struct network network;
  struct terminal terminal;
  /* From the caller's standard input to the command; from the command's terminal to the caller's standard output. */
  struct channel input, screen;
};

static void send_signal(struct supervision *own, unsigned number) {
  if (number == 0 || number >= 64) return;
  if (own->command < 0)
    own->early |= 1ull << number;
  else
    syscall(SYS_pidfd_send_signal, own->command, number, NULL, 0);
}

/* Signals for the command, its network, or the end: Node went away or wants the step killed. */
static void hear_node(struct supervision *own) {
  unsigned char bytes[64];
  ssize_t size = recv(own->control, bytes, sizeof bytes, MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  for (ssize_t i = 0; i < size; i++) {
    if (bytes[i] == NETWORK_IS_THERE)
      network_connected(&own->network);
    else
      send_signal(own, bytes[i]);
  }
  if (size > 0) return;
  kill(own->init, own->ending);
  own->is_killed = true;
}

static void command_started(struct supervision *own, int handle) {
  own->command = handle;
  for (unsigned number = 1; number < 64; number++) {
    if (own->early & (1ull << number)) send_signal(own, number);
  }
}

static void console_made(struct supervision *own, int master) {
  /* What is typed ahead of a command that does not read must not hold up the supervisor. */
  fcntl(master, F_SETFL, O_NONBLOCK);
  terminal_begin(&own->terminal, master);
  own->input = (struct channel){.from = STDIN_FILENO, .to = master};
  own->screen = (struct channel){.from = master, .to = STDOUT_FILENO};
}

/* False when the last sender is gone. */
static bool hear_report(struct supervision *own, int channel) {
  struct report report;
  int fd = -1;
  if (report_receive(channel, &report, &fd) == 0) return false;
  if (report.kind == REPORT_STARTED)
    command_started(own, fd);
  else if (report.kind == REPORT_CONSOLE)
    console_made(own, fd);
  else if (report.kind == REPORT_LISTENER)
    own->network.listener = fd;
  /* The command's process fails before PID 1 tells of its exit: the failure is the one that counts. */
  else if (own->last.kind != REPORT_FAILED)
    own->last = report;
  return true;
}

enum source { ON_REPORT, ON_CONTROL, ON_STDOUT, ON_STDERR, ON_NETWORK, ON_TERMINAL, ON_INPUT, ON_SCREEN = ON_INPUT + 2, SOURCES = ON_SCREEN + 2 };

static void relay_until_end(struct supervision *own, int report) {
  struct pollfd fds[SOURCES];
  for (;;) {
    fds[ON_REPORT] = (struct pollfd){.fd = report, .events = POLLIN};
    fds[ON_CONTROL] = (struct pollfd){.fd = own->is_killed ? -1 : own->control, .events = POLLIN};
    fds[ON_STDOUT] = (struct pollfd){.fd = own->output[0], .events = POLLIN};
    fds[ON_STDERR] = (struct pollfd){.fd = own->output[1], .events = POLLIN};
    fds[ON_TERMINAL] = (struct pollfd){.fd = own->terminal.changes, .events = POLLIN};
    network_awaits(&own->network, &fds[ON_NETWORK]);
    channel_awaits(&own->input, &fds[ON_INPUT]);
    channel_awaits(&own->screen, &fds[ON_SCREEN]);
    if (poll(fds, SOURCES, -1) < 0) continue;
    for (int i = 0; i < 2; i++) {
      bool is_ready = fds[ON_STDOUT + i].revents != 0;
      if (is_ready && !relay_output(own->control, own->output[i], FRAME_STDOUT + (uint32_t)i)) own->output[i] = -1;
    }
    channel_move(&own->input, &fds[ON_INPUT]);
    channel_move(&own->screen, &fds[ON_SCREEN]);
    network_hear(&own->network, &fds[ON_NETWORK], own->control, own->init);
    if (fds[ON_TERMINAL].revents != 0) terminal_changed(&own->terminal);
    if (fds[ON_CONTROL].revents != 0) hear_node(own);
    if (fds[ON_REPORT].revents != 0 && !hear_report(own, report)) return;
  }
}

void leave_signals_to_node(void) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE};
  sigset_t signals;
  sigemptyset(&signals);
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) sigaddset(&signals, numbers[i]);
  sigprocmask(SIG_BLOCK, &signals, NULL);
}

/* What was written last is still in the pipes, or in the terminal. A reader that keeps us waiting is not waited for after a kill. */
static void drain(struct supervision *own, const struct streams *streams) {
  drain_output(own->control, streams->output_read[0], FRAME_STDOUT);
  drain_output(own->control, streams->output_read[1], FRAME_STDERR);
  if (!own->is_killed) channel_drain(&own->screen);
  terminal_restore(&own->terminal);
}

int supervise(int control, pid_t init, const struct streams *streams, bool adopts) {
  struct supervision own = {
      .control = control,
      .init = init,
      .ending = adopts ? SIGTERM : SIGKILL,
      .output = {streams->output_read[0], streams->output_read[1]},
      .last = {.kind = REPORT_EXITED, .wait_status = SIGKILL},
      .command = -1,
      .network = {.listener = -1},
      .terminal = {.master = -1, .changes = -1},
      .input = {.from = streams->input_write < 0 ? -1 : STDIN_FILENO, .to = streams->input_write, .closes = true},
      .screen = {.from = -1, .to = -1},
  };
  struct rusage usage = {0};
  int status = 0;
  relay_until_end(&own, streams->report_read);
  /* PID 1 is reaped only when every process of its namespace and the mounts are gone. */
  while (wait4(init, &status, 0, &usage) < 0 && errno == EINTR) continue;
  /* The step may have killed the one that kills. */
  if (adopts) kill_children();
  drain(&own, streams);
  int sent = own.last.kind == REPORT_FAILED ? send_failure(control, &own.last.err)
                                            : send_exit(control, own.last.wait_status, status, &usage);
  return sent == 0 ? 0 : 1;
}
