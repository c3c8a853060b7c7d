#include "pass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

int pass_pair(bool packets, int ends[2], struct err *err) {
  int type = (packets ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC;
  return socketpair(AF_UNIX, type, 0, ends) < 0 ? err_sys(err, "socketpair", NULL) : 0;
}

int pass_send(int socket, const void *bytes, size_t len, const int *fds, size_t count, struct err *err) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * PASS_FDS_MAX)];
  } rights;
  if (count > PASS_FDS_MAX) return err_set(err, EINVAL, "sendmsg", NULL);
  struct iovec part = {.iov_base = (void *)bytes, .iov_len = len};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (count > 0) {
    rights.header = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * count)};
    memcpy(CMSG_DATA(&rights.header), fds, sizeof(int) * count);
    message.msg_control = &rights;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
  }
  ssize_t sent;
  do sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) return err_sys(err, "sendmsg", NULL);
  return (size_t)sent == len ? 0 : err_set(err, EMSGSIZE, "sendmsg", NULL);
}
