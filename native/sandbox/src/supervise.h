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
 * Ctrl-C and a terminal's end reach the whole process group. What they mean for the step is Node's to decide, by a signal for the command or
 * by hanging up: dying of them here would tell of a broken sandbox, and nobody would wait for PID 1. The step's processes were
 * cloned before. A reader of the screen that has gone is an error of write, no reason to die.
 */
void leave_signals_to_node(void);

/*
 * Relays input, output and signals until the sandbox is gone, then sends how it ended. Kills it when Node closes its side of the
 * socket. Returns the exit status of the supervisor itself: 0 if Node got the last frame. `adopts`: PID 1 is none (see adopt.h).
 */
int supervise(int control, pid_t init, const struct streams *streams, bool adopts);

#endif
