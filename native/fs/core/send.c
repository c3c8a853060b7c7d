#include "send.h"

#include <errno.h>
#include <stddef.h>
#include <sys/sendfile.h>
#include <unistd.h>

/* The kernel moves at most 2 GiB at once; smaller pieces let a dying process go earlier. */
enum { PIECE_BYTES = 16 * 1024 * 1024 };

/*
 * sendfile() and not copy_file_range(): tar aligns to 512 bytes, so that nothing could be shared between the files, and this one
 * takes pipes and devices as well.
 */
int send_range(int out, int64_t at, int in, uint64_t offset, uint64_t len, struct err *err) {
  off_t from = (off_t)offset;
  if (at != SEND_HERE && lseek(out, (off_t)at, SEEK_SET) < 0) return err_sys(err, "lseek", NULL);
  while (len > 0) {
    ssize_t sent = sendfile(out, in, &from, len < PIECE_BYTES ? len : PIECE_BYTES);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return err_sys(err, "sendfile", NULL);
    if (sent == 0) return err_detail(err, EIO, "sendfile", NULL, "the file has become shorter");
    len -= (uint64_t)sent;
  }
  return 0;
}
