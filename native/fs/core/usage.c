#include "usage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "stack.h"

enum { BLOCK_BYTES = 512 };

struct usage {
  struct stack stack;
  uint64_t bytes;
  struct buf *out;
};

/* Takes over `fd`. */
static int enter(struct usage *usage, int fd, const char *label, struct err *err) {
  struct stat stat;
  if (fstat(fd, &stat) < 0) {
    cleanup_close(&fd);
    return stack_sys(&usage->stack, "fstat", label, err);
  }
  usage->bytes += (uint64_t)stat.st_blocks * BLOCK_BYTES;
  return stack_push(&usage->stack, fd, label, err);
}

static int enter_folder(struct usage *usage, int dir, const char *name, struct err *err) {
  int fd = stack_open_folder(dir, name);
  if (fd >= 0) return enter(usage, fd, name, err);
  return errno == EXDEV ? 0 : stack_sys(&usage->stack, "openat2", name, err);
}

static int count(struct usage *usage, int dir, const char *name, struct err *err) {
  struct stat stat;
  if (fstatat(dir, name, &stat, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
    return stack_sys(&usage->stack, "fstatat", name, err);
  if (S_ISDIR(stat.st_mode)) return enter_folder(usage, dir, name, err);
  uint64_t bytes = (uint64_t)stat.st_blocks * BLOCK_BYTES;
  const uint64_t shared[2] = {stat.st_ino, bytes};
  if (stat.st_nlink > 1) return buf_append(usage->out, shared, sizeof shared, err);
  usage->bytes += bytes;
  return 0;
}

static int count_all(struct usage *usage, struct err *err) {
  for (struct frame *top; (top = stack_top(&usage->stack)) != NULL;) {
    int failed = top->next == top->names.count ? stack_pop(&usage->stack, err)
                                               : count(usage, top->fd, top->names.list[top->next++].text, err);
    if (failed < 0) return -1;
  }
  return 0;
}

int usage_tree(int root, struct buf *out, struct err *err) {
  struct usage usage = {.out = out};
  size_t start = out->len;
  if (buf_append(out, &usage.bytes, sizeof usage.bytes, err) < 0) return -1;
  int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return err_sys(err, "openat", NULL);
  int failed = enter(&usage, fd, "", err);
  if (failed == 0) failed = count_all(&usage, err);
  stack_free(&usage.stack);
  if (failed < 0) return -1;
  memcpy(out->data + start, &usage.bytes, sizeof usage.bytes);
  return 0;
}
