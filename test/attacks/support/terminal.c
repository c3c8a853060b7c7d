/*
 * Tries to type into its terminal, by every name that it has for it, and prints which of them are terminals, with their devices (st_dev), and
 * whether it has a controlling one. With an argument it leaves /dev/console alone: outside of a sandbox that is the machine's.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of a virtual console only: pastes what was selected there (ioctl_console(2)). */
static const char PASTE = 3;

static void type_into(int fd) {
  for (const char *key = "injected\n"; *key != '\0'; key++) ioctl(fd, TIOCSTI, key);
  ioctl(fd, TIOCLINUX, &PASTE);
}

int main(int argc, char **argv) {
  (void)argv;
  int console = argc > 1 ? -1 : open("/dev/console", O_RDWR | O_NOCTTY);
  struct {
    const char *name;
    int fd;
  } ends[] = {{"stdin", 0}, {"stdout", 1}, {"stderr", 2}, {"console", console}};
  for (unsigned i = 0; i < sizeof ends / sizeof ends[0]; i++) {
    struct stat st;
    if (ends[i].fd < 0 || !isatty(ends[i].fd) || fstat(ends[i].fd, &st) < 0) continue;
    printf("%s %lu\n", ends[i].name, (unsigned long)st.st_dev);
    type_into(ends[i].fd);
  }
  int controlling = open("/dev/tty", O_RDWR);
  printf("controlling %s\n", controlling < 0 ? "no" : "yes");
  if (controlling >= 0) type_into(controlling);
  return 0;
}
