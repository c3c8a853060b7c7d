#define _GNU_SOURCE
#include "network.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "frames.h"

/* The caller may have died or been interrupted meanwhile: then there is nobody to answer, and an interrupted call asks again. */
static void let_go_on(const struct network *network, uint64_t call) {
  struct seccomp_notif_resp answer = {.id = call, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
  (void)ioctl(network->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

void network_awaits(const struct network *network, struct pollfd *event) {
  bool is_waiting = network->is_wanted && !network->is_connected;
  *event = (struct pollfd){.fd = is_waiting ? -1 : network->listener, .events = POLLIN};
}

void network_hear(struct network *network, const struct pollfd *event, int control, pid_t init) {
  struct seccomp_notif call = {0};
  if (event->revents == 0) return;
  if ((event->revents & POLLIN) == 0) {
    /* Nobody is left who has the filter. */
    close(network->listener);
    network->listener = -1;
    return;
  }
  if (ioctl(network->listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) return;
  if (network->is_connected) {
    let_go_on(network, call.id);
    return;
  }
  network->waiting = call.id;
  network->is_wanted = true;
  send_network_wanted(control, init);
}

void network_connected(struct network *network) {
  if (!network->is_wanted || network->is_connected) return;
  network->is_connected = true;
  let_go_on(network, network->waiting);
}
