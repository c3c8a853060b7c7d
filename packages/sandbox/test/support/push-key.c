/* Tries to type into its terminal (TIOCSTI), by every name that it has for it. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

int main(void) {
  struct stat st;
  int fds[] = {0, 1, 2, open("/dev/tty", O_RDWR), open("/dev/console", O_RDWR)};
  for (unsigned i = 0; i < sizeof fds / sizeof fds[0]; i++) {
    for (const char *key = "injected\n"; *key != '\0'; key++) ioctl(fds[i], TIOCSTI, key);
    if (fstat(fds[i], &st) < 0 || !S_ISCHR(st.st_mode)) return 1;
    /* /dev/tty is a name for whatever is the controlling terminal: it is the others that tell which. */
    if (i != 3) printf("<%lu>\n", (unsigned long)st.st_dev);
  }
  return 0;
}
