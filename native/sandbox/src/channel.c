#define _GNU_SOURCE
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void channel_awaits(const struct channel *channel, struct pollfd fds[2]) {
  bool full = channel->size > 0;
  fds[0] = (struct pollfd){.fd = full ? -1 : channel->from, .events = POLLIN};
  fds[1] = (struct pollfd){.fd = full ? channel->to : -1, .events = POLLOUT};
}

static bool is_passing(int errnum) { return errnum == EAGAIN || errnum == EINTR; }

static void end(struct channel *channel) {
  channel->from = -1;
  channel->size = 0;
  if (channel->closes && channel->to >= 0) close(channel->to);
  channel->to = -1;
}

static void read_some(struct channel *channel) {
  ssize_t size = read(channel->from, channel->bytes, sizeof channel->bytes);
  if (size < 0 && is_passing(errno)) return;
  /* The master of a terminal that nobody has open any more says EIO. */
  if (size <= 0) return end(channel);
  channel->at = 0;
  channel->size = (size_t)size;
}

static void write_some(struct channel *channel) {
  ssize_t size = write(channel->to, channel->bytes + channel->at, channel->size);
  if (size < 0 && is_passing(errno)) return;
  if (size < 0) return end(channel);
  channel->at += (size_t)size;
  channel->size -= (size_t)size;
}

void channel_move(struct channel *channel, const struct pollfd fds[2]) {
  if (fds[0].revents != 0 && channel->from >= 0 && channel->size == 0) return read_some(channel);
  if (fds[1].revents != 0 && channel->to >= 0 && channel->size > 0) write_some(channel);
}

void channel_drain(struct channel *channel) {
  struct pollfd fds[2];
  if (channel->from >= 0 && fcntl(channel->from, F_SETFL, O_NONBLOCK) < 0) return;
  for (;;) {
    channel_awaits(channel, fds);
    int wait = fds[1].fd >= 0 ? -1 : 0;
    if (fds[0].fd < 0 && fds[1].fd < 0) return;
    int ready = poll(fds, 2, wait);
    if (ready == 0) return;
    if (ready > 0) channel_move(channel, fds);
  }
}
