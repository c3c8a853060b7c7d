/* Sockets to a process nearby, and descriptors on them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* As many as the kernel takes in one message (SCM_MAX_FD). */
enum { PASS_FDS_MAX = 253 };

/* Two connected sockets, close-on-exec: a stream of bytes, or packets with bounds. */
int pass_pair(bool packets, int ends[2], struct err *err);

/*
 * Sends bytes, and descriptors with them that stay the caller's too. Does not wait: EAGAIN when the other side has too much unread, ETOOMANYREFS
 * when too many descriptors of this user are under way, EPIPE when nobody listens.
 */
int pass_send(int socket, const void *bytes, size_t len, const int *fds, size_t count, struct err *err);
