/* The supervisor: stays in the host's namespaces, between Node and PID 1 of the sandbox. */
#define _GNU_SOURCE
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adopt.h"
#include "sandbox.h"

#define CHUNK_BYTES (64 * 1024)

struct exit_frame {
  uint32_t wait_status;
  uint32_t init_killed;
  uint64_t cpu_us;
  uint64_t peak_bytes;
};

static int send_all(int control, const void *bytes, size_t size) {
  const char *at = bytes;
  while (size > 0) {
    ssize_t sent = send(control, at, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return -1;
    at += sent;
    size -= (size_t)sent;
  }
  return 0;
}

/* A frame's header goes directly in front of its payload: one system call for both. */
struct frame {
  uint32_t type, size;
  char payload[CHUNK_BYTES];
};

static int send_frame(int control, const struct frame *frame) {
  return send_all(control, frame, offsetof(struct frame, payload) + frame->size);
}

int send_failure(int control, const struct err *err) {
  struct frame frame = {.type = FRAME_FAILED};
  char *at = frame.payload;
  memcpy(at, &err->line, sizeof err->line);
  memcpy(at + 4, &err->errnum, sizeof err->errnum);
  size_t call = strlen(err->call) + 1, text = strlen(err->text) + 1;
  memcpy(at + 8, err->call, call);
  memcpy(at + 8 + call, err->text, text);
  frame.size = (uint32_t)(8 + call + text);
  return send_frame(control, &frame);
}

/* Moves one chunk from an output pipe to Node; false at its end. Errors of Node's side are seen by the poll on the socket. */
static bool relay(int control, int fd, uint32_t type) {
  struct frame frame;
  ssize_t size;
  do size = read(fd, frame.payload, sizeof frame.payload);
  while (size < 0 && errno == EINTR);
  if (size <= 0) return false;
  frame.type = type;
  frame.size = (uint32_t)size;
  return send_frame(control, &frame) == 0;
}

/* What stayed in a pipe after everybody died. A writer may be left (a descriptor passed out of the sandbox): do not wait for it. */
static void drain(int control, int fd, uint32_t type) {
  if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) return;
  while (relay(control, fd, type)) continue;
}

/* The socket has nothing to say any more but its end: Node went away or wants the step killed. */
static bool node_hung_up(int control) {
  char byte;
  ssize_t size = recv(control, &byte, 1, MSG_DONTWAIT);
  return size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
}

enum source { SOURCE_REPORT, SOURCE_CONTROL, SOURCE_STDOUT, SOURCE_STDERR, SOURCES };

/* Reads reports; false when the last writer is gone: the command's process by its exec, PID 1 by its end. */
static bool read_report(int fd, struct report *last) {
  struct report report;
  ssize_t size = read(fd, &report, sizeof report);
  if (size < 0 && errno == EINTR) return true;
  if (size != (ssize_t)sizeof report) return false;
  /* Whoever wrote it: texts end within their arrays. */
  report.err.call[sizeof report.err.call - 1] = report.err.text[sizeof report.err.text - 1] = '\0';
  /* The command's process fails before PID 1 tells of its exit: the failure is the one that counts. */
  if (last->kind != REPORT_FAILED) *last = report;
  return true;
}

static void relay_until_end(int control, pid_t init, const struct streams *streams, int ending, struct report *report) {
  struct pollfd fds[SOURCES] = {
      [SOURCE_REPORT] = {.fd = streams->report_read, .events = POLLIN},
      [SOURCE_CONTROL] = {.fd = control, .events = POLLIN},
      [SOURCE_STDOUT] = {.fd = streams->output_read[0], .events = POLLIN},
      [SOURCE_STDERR] = {.fd = streams->output_read[1], .events = POLLIN},
  };
  for (;;) {
    if (poll(fds, SOURCES, -1) < 0) continue;
    for (int i = SOURCE_STDOUT; i <= SOURCE_STDERR; i++) {
      uint32_t type = i == SOURCE_STDOUT ? FRAME_STDOUT : FRAME_STDERR;
      if (fds[i].revents != 0 && !relay(control, fds[i].fd, type)) fds[i].fd = -1;
    }
    if (fds[SOURCE_CONTROL].revents != 0 && node_hung_up(control)) {
      kill(init, ending);
      fds[SOURCE_CONTROL].fd = -1;
    }
    if (fds[SOURCE_REPORT].revents != 0 && !read_report(streams->report_read, report)) return;
  }
}

static int send_exit(int control, const struct report *report, int init_status, const struct rusage *usage) {
  struct frame frame = {.type = FRAME_EXITED, .size = sizeof(struct exit_frame)};
  struct exit_frame body = {
      .wait_status = (uint32_t)report->wait_status,
      .init_killed = WIFEXITED(init_status) ? 0 : 1,
      .cpu_us = (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 +
                (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec),
      .peak_bytes = (uint64_t)usage->ru_maxrss * 1024,
  };
  memcpy(frame.payload, &body, sizeof body);
  return send_frame(control, &frame);
}

/* Takes the terminal back from the command's process group, which is gone: or the next read of the caller would stop it. */
static void reclaim_terminal(void) {
  sigset_t output, before;
  if (!isatty(0)) return;
  sigemptyset(&output);
  sigaddset(&output, SIGTTOU);
  sigprocmask(SIG_BLOCK, &output, &before);
  tcsetpgrp(0, getpgrp());
  sigprocmask(SIG_SETMASK, &before, NULL);
}

/* Ctrl-C and a terminal's end reach the whole process group. What they mean for the step is Node's to decide, by hanging up: dying
 * of them here would tell of a broken sandbox, and nobody would wait for PID 1. The step's processes were cloned before. */
static void leave_interrupts_to_node(void) {
  sigset_t interrupts;
  sigemptyset(&interrupts);
  sigaddset(&interrupts, SIGINT);
  sigaddset(&interrupts, SIGTERM);
  sigaddset(&interrupts, SIGHUP);
  sigprocmask(SIG_BLOCK, &interrupts, NULL);
}

int supervise(int control, pid_t init, const struct streams *streams, bool adopts) {
  struct report report = {.kind = REPORT_EXITED, .wait_status = SIGKILL};
  struct rusage usage = {0};
  int status = 0;
  leave_interrupts_to_node();
  relay_until_end(control, init, streams, adopts ? SIGTERM : SIGKILL, &report);
  /* PID 1 is reaped only when every process of its namespace and the mounts are gone. */
  while (wait4(init, &status, 0, &usage) < 0 && errno == EINTR) continue;
  /* The step may have killed the one that kills. */
  if (adopts) kill_children();
  if (streams->output_read[0] < 0) reclaim_terminal();
  drain(control, streams->output_read[0], FRAME_STDOUT);
  drain(control, streams->output_read[1], FRAME_STDERR);
  if (report.kind == REPORT_FAILED) return send_failure(control, &report.err) == 0 ? 0 : 1;
  return send_exit(control, &report, status, &usage) == 0 ? 0 : 1;
}
