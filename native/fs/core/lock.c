#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

static int flock_now(int fd, bool exclusive) {
  int failed;
  do failed = flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB);
  while (failed < 0 && errno == EINTR);
  return failed;
}

/* 1 when `fd` is what `path` names, 0 when it is not, -1 with err. */
static int is_current(int fd, const char *path, struct err *err) {
  struct stat ours, now;
  if (fstat(fd, &ours) < 0) return err_sys(err, "fstat", path);
  if (stat(path, &now) < 0) return errno == ENOENT ? 0 : err_sys(err, "stat", path);
  return ours.st_dev == now.st_dev && ours.st_ino == now.st_ino;
}

int lock_try(const char *path, bool exclusive, bool *busy, struct err *err) {
  *busy = false;
  for (;;) {
    cleanup_fd int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) return err_sys(err, "open", path);
    if (flock_now(fd, exclusive) < 0) {
      *busy = errno == EWOULDBLOCK;
      return *busy ? -1 : err_sys(err, "flock", path);
    }
    int current = is_current(fd, path, err);
    if (current < 0) return -1;
    if (current > 0) return take_fd(&fd);
  }
}

int lock_byte(int fd, int64_t offset, bool lock, bool *busy, struct err *err) {
  struct flock range = {.l_type = lock ? F_WRLCK : F_UNLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1};
  int failed;
  do failed = fcntl(fd, F_OFD_SETLK, &range);
  while (failed < 0 && errno == EINTR);
  *busy = failed < 0 && (errno == EAGAIN || errno == EACCES);
  if (failed == 0 || *busy) return failed;
  return err_sys(err, "fcntl", NULL);
}
