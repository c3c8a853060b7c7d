#ifndef TSB_REPORT_H
#define TSB_REPORT_H

#include "err.h"

/* What PID 1 or the command's process tells the supervisor: one packet each, perhaps with a descriptor. */
struct report {
  enum {
    REPORT_FAILED,
    REPORT_EXITED,
    REPORT_STARTED, /* with a pidfd of the command's process */
    REPORT_CONSOLE, /* with the master of the command's terminal */
    REPORT_LISTENER, /* with what hears of calls that wait for the network */
  } kind;
  /* As wait(2) has it. */
  int wait_status;
  struct err err;
};

/* A connected pair for reports. A socket, as descriptors travel on it; closed ends are noticed as with a pipe. */
int report_channel(int ends[2], struct err *err);

/* Sends one report, with a descriptor unless `fd` is -1; 0, or -1 when nobody listens any more. */
int report_send(int channel, const struct report *report, int fd);

/*
 * Waits for a report; *fd is the descriptor that came with it or -1, the caller's to close. 0 when the last sender is gone: the command's
 * process by its exec, PID 1 by its end.
 */
int report_receive(int channel, struct report *report, int *fd);

#endif
