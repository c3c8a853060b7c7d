#ifndef TSB_SUPERVISE_H
#define TSB_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

/* Pipes between the supervisor and the sandbox; -1 where a stream is the caller's own. */
struct streams {
  int report_read, report_write;
  int output_read[2], output_write[2];
};

/*
 * Frames to Node: u32 type, u32 size, payload; little endian.
 *   1, 2   bytes of stdout, stderr
 *   3      exited: u32 wait status of the command, u32 1 if PID 1 was killed, u64 CPU µs, u64 peak resident bytes of one process
 *   4      failed: i32 line, i32 errno, call NUL text NUL
 */
enum frame_type { FRAME_STDOUT = 1, FRAME_STDERR = 2, FRAME_EXITED = 3, FRAME_FAILED = 4 };

/*
 * Relays output until the sandbox is gone, then sends how it ended. Kills it when Node closes its side of the socket. Returns
 * the exit status of the supervisor itself: 0 if Node got the last frame. `adopts`: PID 1 is none (see adopt.h).
 */
int supervise(int control, pid_t init, const struct streams *streams, bool adopts);

int send_failure(int control, const struct err *err);

#endif
