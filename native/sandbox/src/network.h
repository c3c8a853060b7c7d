#ifndef TSB_NETWORK_H
#define TSB_NETWORK_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A network on demand. The step's filter holds up each call that opens a socket of a network, and the kernel asks here
 * (seccomp_unotify(2)). At the first, Node is told to connect the step's namespace; when it has, the call goes on, and all later ones at
 * once. This keeps nobody from anything: it only makes sure that nobody sees a network that is not connected yet. Most steps
 * open no socket, and no program is started for them.
 */
struct network {
  /* -1 where the network is no matter of demand, or nobody who could ask is left. */
  int listener;
  bool is_connected, is_wanted;
  /* The call that waits; those behind it stay with the kernel. */
  uint64_t waiting;
};

/* What to poll for: nothing while a call waits for Node. */
void network_awaits(const struct network *network, struct pollfd *event);

/* Takes one call from the kernel. */
void network_hear(struct network *network, const struct pollfd *event, int control, pid_t init);

/* Node says that the network is connected. */
void network_connected(struct network *network);

#endif
