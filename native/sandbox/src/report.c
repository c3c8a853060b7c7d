#define _GNU_SOURCE
#include "report.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

union rights {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

int report_channel(int ends[2], struct err *err) {
  return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ? fail(err, "socketpair", "report") : 0;
}

int report_send(int channel, const struct report *report, int fd) {
  union rights rights = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)}};
  struct iovec bytes = {.iov_base = (void *)report, .iov_len = sizeof *report};
  struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
  if (fd >= 0) {
    memcpy(CMSG_DATA(&rights.header), &fd, sizeof fd);
    message.msg_control = &rights;
    message.msg_controllen = sizeof rights;
  }
  ssize_t sent;
  do sent = sendmsg(channel, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent == (ssize_t)sizeof *report ? 0 : -1;
}

int report_receive(int channel, struct report *report, int *fd) {
  union rights rights;
  struct iovec bytes = {.iov_base = report, .iov_len = sizeof *report};
  struct msghdr message = {
      .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof rights};
  ssize_t got;
  *fd = -1;
  do got = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (got > 0 && header != NULL && header->cmsg_type == SCM_RIGHTS) memcpy(fd, CMSG_DATA(header), sizeof *fd);
  if (got != (ssize_t)sizeof *report) return 0;
  /* Whoever wrote it: texts end within their arrays. */
  report->err.call[sizeof report->err.call - 1] = report->err.text[sizeof report->err.text - 1] = '\0';
  return 1;
}
