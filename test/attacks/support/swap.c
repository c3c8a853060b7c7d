/*
 * swap A B SECONDS STOP…: exchanges two names as fast as it can until all of the stop files are there, or time is up, and prints how often.
 * Whoever looks one up at such a time finds either.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int is_stopped(char *const *files) {
  for (; *files != NULL; files++)
    if (access(*files, F_OK) < 0) return 0;
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  time_t end = time(NULL) + atoi(argv[3]);
  unsigned long count = 0;
  while (time(NULL) < end && !is_stopped(argv + 4))
    for (int i = 0; i < 100; i++) count += renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) == 0;
  printf("swapped %lu times\n", count);
  return count == 0;
}
