/*
 * swap-on-open A B N: when folder A is opened for the N-th time from now on, exchanges the names A and B before whoever opens it goes on:
 * what it does with A's name afterwards, it does with B. Prints "ready" when openings are seen, "swapped" when it is done. Openings wait for this
 * program while it lives (fanotify(7)); those that only name a place (O_PATH) are not seen.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fanotify.h>
#include <unistd.h>

static int fail(const char *what) {
  perror(what);
  return 1;
}

static int answer(int events, int fd) {
  struct fanotify_response response = {.fd = fd, .response = FAN_ALLOW};
  ssize_t written = write(events, &response, sizeof response);
  close(fd);
  return written == sizeof response ? 0 : -1;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int left = atoi(argv[3]);
  int events = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
  if (events < 0) return fail("fanotify_init");
  if (fanotify_mark(events, FAN_MARK_ADD, FAN_OPEN_PERM | FAN_ONDIR, AT_FDCWD, argv[1]) < 0) return fail("fanotify_mark");
  puts("ready");
  fflush(stdout);
  for (;;) {
    struct fanotify_event_metadata event;
    /* One at a time: the buffer has no room for two. */
    ssize_t size = read(events, &event, sizeof event);
    if (size < (ssize_t)sizeof event) return fail("read");
    if (--left == 0) {
      if (renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) < 0) return fail("renameat2");
      puts("swapped");
      fflush(stdout);
    }
    if (answer(events, event.fd) < 0) return fail("write");
  }
}
