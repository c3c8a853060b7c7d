#include "send.h"

#include <errno.h>
#include <stddef.h>
#include <sys/sendfile.h>

/* The kernel moves at most 2 GiB at once; smaller pieces let a dying process go earlier. */
enum { PIECE_BYTES = 16 * 1024 * 1024 };

/*
 * sendfile() and not copy_file_range(): tar aligns to 512 bytes, so that nothing could be shared between the files, and this one
 * takes pipes and devices as well.
 */
int send_range(int out, int in, uint64_t offset, uint64_t len, struct err *err) {
  off_t at = (off_t)offset;
  while (len > 0) {
    ssize_t sent = sendfile(out, in, &at, len < PIECE_BYTES ? len : PIECE_BYTES);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return err_sys(err, "sendfile", NULL);
    if (sent == 0) return err_detail(err, EIO, "sendfile", NULL, "the file has become shorter");
    len -= (uint64_t)sent;
  }
  return 0;
}
