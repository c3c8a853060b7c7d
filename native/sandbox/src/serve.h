#ifndef TSB_SERVE_H
#define TSB_SERVE_H

#include "err.h"

/*
 * `serve`: starts the supervisors of many steps, one after the other, for as long as the builder lives. Standard input is a socket
 * (SOCK_SEQPACKET), each packet on it a step: "TSBSTEP1", u32 descriptors (little endian), and as many descriptors: the step's control
 * socket, then those of its plan, which comes on that socket. Standard output is the null device, which supervisors get as their streams. Why
 * it ends, other than by the builder's hanging up, goes to standard error. `sealed`: the program runs from its sealed copy already.
 */
int serve_main(const char *state);

#endif
