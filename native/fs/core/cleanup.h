/* Scope-bound ownership: a variable marked with one of these releases its resource on every way out of the function. */
#pragma once
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_close(int *fd) {
  if (*fd >= 0) {
    int saved = errno;
    close(*fd);
    errno = saved;
  }
}

static inline void cleanup_pointer(void *pointer) {
  free(*(void **)pointer);
}

#define cleanup_fd __attribute__((cleanup(cleanup_close)))
#define cleanup_free __attribute__((cleanup(cleanup_pointer)))
#define cleanup_with(f) __attribute__((cleanup(f)))

/* Hands a descriptor over to the caller. */
static inline int take_fd(int *fd) {
  int taken = *fd;
  *fd = -1;
  return taken;
}
