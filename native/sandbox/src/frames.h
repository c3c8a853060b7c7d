#ifndef TSB_FRAMES_H
#define TSB_FRAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "err.h"

/*
 * Frames to Node: u32 type, u32 size, payload; little endian.
 *   1, 2   bytes of stdout, stderr
 *   3      exited: u32 wait status of the command, u32 1 if PID 1 was killed, u64 CPU µs, u64 peak resident bytes of one process
 *   4      failed: i32 line, i32 errno, call NUL text NUL
 *   5      the step wants its network: u32 process id of PID 1, as Node sees it
 * The last is 3 or 4; Node hangs up then. Node's side says, after the plan, one byte per signal for the command, or NETWORK_IS_THERE.
 */
enum frame_type { FRAME_STDOUT = 1, FRAME_STDERR = 2, FRAME_EXITED = 3, FRAME_FAILED = 4, FRAME_NETWORK = 5 };

/* Beyond the numbers of signals. */
#define NETWORK_IS_THERE 255u

/* Moves one chunk from an output pipe to Node; false at its end. */
bool relay_output(int control, int fd, uint32_t type);

/* Moves what is left in an output pipe, without waiting for writers. */
void drain_output(int control, int fd, uint32_t type);

/* Tells Node that a step waits for its network; errors of Node's side are seen by the poll on the socket. */
void send_network_wanted(int control, pid_t init);

/* The last frame: 0 if Node got it and has hung up, else -1. */
int send_exit(int control, int wait_status, int init_status, const struct rusage *usage);
int send_failure(int control, const struct err *err);

#endif
