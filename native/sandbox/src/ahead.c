/* Plans in two halves: what supervisor and PID 1 do between them. */
#define _GNU_SOURCE
#include "ahead.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "sys.h"

/* From the supervisor to PID 1, with the plan's descriptors and then the trees. */
struct handover {
  uint32_t size;
  uint32_t fds;
  uint32_t trees;
  /* Trees that the kernel does not clone before they are attached, as bits. */
  uint64_t pending;
};

union rights {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int) * AHEAD_FDS)];
};

static int malformed(struct err *err, const char *what) { return fail_with(err, EBADMSG, "recvmsg", what); }

bool comes_in_halves(const struct plan *plan) {
  return plan->op_count > 0 && plan->ops[plan->op_count - 1].code == OP_await;
}

static int close_reserved(struct err *err) {
  return sys_close_range(FIRST_PLAN_FD, FIRST_PLAN_FD + AHEAD_FDS - 1, 0) < 0 ? fail(err, "close_range", "") : 0;
}

/*
 * The kernel hands out the lowest free numbers. Those that a plan's descriptors have are taken until they come, so that everything else that is
 * opened meanwhile has higher ones.
 */
static int reserve_numbers(int any, struct err *err) {
  for (int number = -1; number < FIRST_PLAN_FD + AHEAD_FDS - 1;)
    if ((number = fcntl(any, F_DUPFD_CLOEXEC, FIRST_PLAN_FD)) < 0) return fail(err, "fcntl", "F_DUPFD");
  return 0;
}

int prepare_halves(struct sandbox *sb, struct err *err) {
  if (sb->plan->fd_count > 0) return fail_with(err, EINVAL, "plan", "descriptors in a first half");
  char *shared = mmap(NULL, AHEAD_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return fail(err, "mmap", "plan");
  sb->shared = shared;
  return reserve_numbers(sb->control, err);
}

/* Receives descriptors, which have to have the numbers that they are called by; the size of the message or -1. */
static ssize_t receive_fds(int socket, void *bytes, size_t size, uint32_t *count, struct err *err) {
  union rights rights;
  struct iovec part = {.iov_base = bytes, .iov_len = size};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof rights};
  ssize_t got;
  *count = 0;
  do got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0) return fail(err, "recvmsg", "plan");
  if (message.msg_flags & MSG_CTRUNC) return malformed(err, "too many descriptors");
  const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header == NULL) return got;
  if (header->cmsg_type != SCM_RIGHTS) return malformed(err, "other descriptors than announced");
  *count = (uint32_t)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  for (uint32_t i = 0; i < *count; i++) {
    int fd;
    memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
    if (fd != FIRST_PLAN_FD + (int)i) return malformed(err, "descriptors out of place");
  }
  return got;
}

/* True when Node has something to say, and PID 1 has not. */
static bool await_node(int control, int report) {
  struct pollfd fds[] = {{.fd = control, .events = POLLIN}, {.fd = report, .events = POLLIN}};
  while (poll(fds, 2, -1) < 0) continue;
  return fds[1].revents == 0;
}

/* Size of the body, which is in the shared memory then; 0: Node has hung up. */
static int receive_rest(struct sandbox *sb, uint32_t *size, struct err *err) {
  uint8_t header[PLAN_HEADER_BYTES];
  uint32_t fds = 0;
  ssize_t got = receive_fds(sb->control, header, sizeof header, &fds, err);
  *size = 0;
  if (got <= 0) return (int)got;
  if (got != sizeof header) return malformed(err, "wrong size");
  if (plan_body_size(header, size, err) < 0) return -1;
  if (*size == 0 || *size > AHEAD_BYTES) return malformed(err, "plan too large");
  if (receive(sb->control, sb->shared, *size, err) < 0 || plan_decode(sb->shared, *size, &sb->rest, err) < 0) return -1;
  return sb->rest.fd_count == fds ? 0 : malformed(err, "other descriptors than announced");
}

/* Both processes go on with it. */
static void take_rest(struct sandbox *sb) {
  sb->lines_before = sb->plan->op_count;
  sb->plan = &sb->rest;
}

static int make_trees(struct sandbox *sb, struct err *err) {
  for (uint32_t i = 0; i < sb->plan->op_count && sb->plan->ops[i].code == OP_tree; i++)
    if (perform_op(sb, i, err) < 0) return -1;
  return 0;
}

static int send_rest(const struct sandbox *sb, int report, uint32_t size, struct err *err) {
  union rights rights;
  struct handover handover = {.size = size, .fds = sb->plan->fd_count, .trees = sb->tree_count};
  struct iovec part = {.iov_base = &handover, .iov_len = sizeof handover};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &rights};
  uint32_t count = handover.fds + handover.trees;
  if (count > AHEAD_FDS) return fail_with(err, EINVAL, "plan", "too many descriptors for a second half");
  rights.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * count)};
  for (uint32_t i = 0; i < count; i++) {
    int fd = i < handover.fds ? FIRST_PLAN_FD + (int)i : sb->trees[i - handover.fds].fd;
    memcpy(CMSG_DATA(&rights.header) + i * sizeof fd, &fd, sizeof fd);
  }
  for (uint32_t i = 0; i < handover.trees; i++)
    if (sb->trees[i].pending != NULL) handover.pending |= 1ull << i;
  message.msg_controllen = count == 0 ? 0 : CMSG_SPACE(sizeof(int) * count);
  /* When it is gone, its report tells why. */
  while (sendmsg(report, &message, MSG_NOSIGNAL) < 0 && errno == EINTR) continue;
  return 0;
}

int hand_on_rest(struct sandbox *sb, int report, struct err *err) {
  uint32_t size;
  if (close_reserved(err) < 0) return -1;
  if (!await_node(sb->control, report)) return 0;
  if (receive_rest(sb, &size, err) < 0) return -1;
  if (size == 0) return 0;
  take_rest(sb);
  if (make_trees(sb, err) < 0 || send_rest(sb, report, size, err) < 0) return -1;
  /* PID 1 has them now: here they would keep the sandbox's mounts alive. */
  return close_reserved(err);
}

/* Descriptors of trees come after the plan's. */
static void take_trees(struct sandbox *sb, const struct handover *handover) {
  sb->tree_count = handover->trees;
  for (uint32_t i = 0; i < handover->trees; i++) {
    sb->trees[i].fd = FIRST_PLAN_FD + (int)(handover->fds + i);
    sb->trees[i].pending = (handover->pending >> i) & 1 ? &sb->plan->ops[i] : NULL;
  }
}

int op_await(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)op;
  struct handover handover;
  uint32_t fds;
  if (sb->shared == NULL || sb->report < 0) return fail_with(err, EINVAL, "await", "not the end of a first half");
  if (close_reserved(err) < 0) return -1;
  ssize_t got = receive_fds(sb->report, &handover, sizeof handover, &fds, err);
  if (got < 0) return -1;
  if (got != sizeof handover) return malformed(err, "plan");
  if (plan_decode(sb->shared, handover.size, &sb->rest, err) < 0) return -1;
  if (handover.trees > AHEAD_FDS || handover.trees > sb->rest.op_count || fds != handover.fds + handover.trees)
    return malformed(err, "other descriptors than announced");
  take_rest(sb);
  take_trees(sb, &handover);
  return perform(sb, handover.trees, err);
}
