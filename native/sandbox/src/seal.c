#define _GNU_SOURCE
#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int copy_all(int to, int from, struct err *err) {
  struct stat st;
  if (fstat(from, &st) < 0) return fail(err, "fstat", "/proc/self/exe");
  for (off_t left = st.st_size; left > 0;) {
    ssize_t copied = sendfile(to, from, NULL, (size_t)left);
    if (copied <= 0) return fail(err, "sendfile", "/proc/self/exe");
    left -= copied;
  }
  return 0;
}

int seal_binary(const char *state, struct err *err) {
  char name[] = "tsbuild-sandbox", sealed[] = "sealed";
  char *const args[] = {name, sealed, NULL};
  char *const env[] = {NULL};
  if (strcmp(state, sealed) == 0) return 0;
  int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (from < 0) return fail(err, "open", "/proc/self/exe");
  int copy = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (copy < 0) return fail(err, "memfd_create", name);
  if (copy_all(copy, from, err) < 0) return -1;
  if (fcntl(copy, F_ADD_SEALS, SEALS) < 0) return fail(err, "fcntl", "F_ADD_SEALS");
  fexecve(copy, args, env);
  return fail(err, "fexecve", name);
}
