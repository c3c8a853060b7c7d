#ifndef TSB_CHANNEL_H
#define TSB_CHANNEL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

/* No more than a pipe that polls as writable takes without blocking (PIPE_BUF). */
#define CHANNEL_BYTES 4096

/* Bytes on their way from one descriptor to another. Reads only when the last bytes have been written: a slow reader slows the writer. */
struct channel {
  int from; /* -1: ended */
  int to;
  /* The reader shall see the end too: `to` is closed behind the last byte. */
  bool closes;
  size_t at, size;
  char bytes[CHANNEL_BYTES];
};

/* What to poll for: [0] the reading, [1] the writing side; -1 where nothing is awaited. */
void channel_awaits(const struct channel *channel, struct pollfd fds[2]);

/* Reads or writes once, as the poll allows. Bytes for a reader that has gone are dropped. */
void channel_move(struct channel *channel, const struct pollfd fds[2]);

/* Moves what can still be read without waiting for a writer; waits for the reader. */
void channel_drain(struct channel *channel);

#endif
