#ifndef TSB_SUPERVISE_H
#define TSB_SUPERVISE_H

#include <stdbool.h>
#include <sys/types.h>

/* Pipes between the supervisor and the sandbox; -1 where there is none. */
struct streams {
  int report_read, report_write;
  int input_read, input_write;
  int output_read[2], output_write[2];
};

#define NO_STREAMS ((struct streams){-1, -1, -1, -1, {-1, -1}, {-1, -1}})

/*
 * Relays input, output and signals until the sandbox is gone, then sends how it ended. Kills it when Node closes its side of the
 * socket. Returns the exit status of the supervisor itself: 0 if Node got the last frame. `adopts`: PID 1 is none (see adopt.h).
 */
int supervise(int control, pid_t init, const struct streams *streams, bool adopts);

#endif
