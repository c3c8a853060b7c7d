/* What the supervisor tells Node. */
#define _GNU_SOURCE
#include "frames.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

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

/*
 * The last frame, and then Node's answer to it, which is to hang up. A socket that is closed with something unread in it (a signal, the rest
 * of a plan that was refused) makes an error of Node's next write, and that would cost Node the frame.
 */
static int send_last(int control, const struct frame *frame) {
  char unread[512];
  if (send_frame(control, frame) < 0) return -1;
  for (;;) {
    ssize_t size = recv(control, unread, sizeof unread, 0);
    if (size == 0) return 0;
    if (size < 0 && errno != EINTR) return -1;
  }
}

void send_network_wanted(int control, pid_t init) {
  struct frame frame = {.type = FRAME_NETWORK, .size = sizeof(uint32_t)};
  uint32_t pid = (uint32_t)init;
  memcpy(frame.payload, &pid, sizeof pid);
  (void)send_frame(control, &frame);
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
  return send_last(control, &frame);
}

/* Moves one chunk from an output pipe to Node; false at its end. Errors of Node's side are seen by the poll on the socket. */
bool relay_output(int control, int fd, uint32_t type) {
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
void drain_output(int control, int fd, uint32_t type) {
  if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) return;
  while (relay_output(control, fd, type)) continue;
}

int send_exit(int control, int wait_status, int init_status, const struct rusage *usage) {
  struct frame frame = {.type = FRAME_EXITED, .size = sizeof(struct exit_frame)};
  struct exit_frame body = {
      .wait_status = (uint32_t)wait_status,
      .init_killed = WIFEXITED(init_status) ? 0 : 1,
      .cpu_us = (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 +
                (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec),
      .peak_bytes = (uint64_t)usage->ru_maxrss * 1024,
  };
  memcpy(frame.payload, &body, sizeof body);
  return send_last(control, &frame);
}
