#include "remove.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "stack.h"

/* Others may put entries into a folder while it is emptied; then it is listed again, so often. */
enum { RELISTINGS_MAX = 16 };

/* A folder without write or search permission refuses its owner too: not root, who passes anyway. */
static int unlink_entry(int dir, const char *name, int flags) {
  if (unlinkat(dir, name, flags) == 0) return 0;
  if (errno != EACCES || fchmod(dir, 0700) < 0) return -1;
  return unlinkat(dir, name, flags);
}

static int open_folder(int dir, const char *name) {
  int fd = stack_open_folder(dir, name);
  if (fd >= 0 || errno != EACCES || fchmodat(dir, name, 0700, AT_SYMLINK_NOFOLLOW) < 0) return fd;
  return stack_open_folder(dir, name);
}

/* unlink of a folder is EISDIR on Linux; EPERM is what POSIX says, and what some file systems answer. */
static bool may_be_folder(int dir, const char *name, int code) {
  struct stat stat;
  if (code == EISDIR) return true;
  return code == EPERM && fstatat(dir, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(stat.st_mode);
}

/* Takes `fd`. A folder that somebody else has removed since it was opened has no names (ENOENT): two may remove the same tree. */
static int step_into(struct stack *stack, int fd, const char *name, struct err *err) {
  if (stack_push(stack, fd, name, err) == 0 || err->code == ENOENT) return 0;
  return -1;
}

/* Removes one entry, or steps into it when it is a folder. */
static int remove_or_enter(struct stack *stack, int dir, const char *name, struct err *err) {
  if (unlink_entry(dir, name, 0) == 0 || errno == ENOENT) return 0;
  if (!may_be_folder(dir, name, errno)) return stack_sys(stack, "unlinkat", name, err);
  /* Not tried with rmdir first: that makes the kernel look through all that it has cached below, at every level again. */
  int fd = open_folder(dir, name);
  if (fd < 0 && errno == ENOENT) return 0;
  if (fd < 0) return stack_sys(stack, "openat2", name, err);
  return step_into(stack, fd, name, err);
}

/* The deepest folder's names are done: removes it from the folder above. */
static int remove_emptied(struct stack *stack, int start, const char *start_name, struct err *err) {
  const char *name = stack_top(stack)->label;
  uint32_t relistings = stack_top(stack)->relistings;
  if (stack_pop(stack, err) < 0) return -1;
  struct frame *above = stack_top(stack);
  int dir = above == NULL ? start : above->fd;
  if (above == NULL) name = start_name;
  if (unlink_entry(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
  if ((errno != ENOTEMPTY && errno != EEXIST) || relistings == RELISTINGS_MAX)
    return stack_sys(stack, "unlinkat", name, err);
  size_t depth = stack->count;
  if (remove_or_enter(stack, dir, name, err) < 0) return -1;
  if (stack->count == depth) return 0;
  stack_top(stack)->relistings = relistings + 1;
  if (depth == 0) stack_top(stack)->label = "";
  return 0;
}

static int empty_stack(struct stack *stack, int start, const char *start_name, struct err *err) {
  for (struct frame *top; (top = stack_top(stack)) != NULL;) {
    int failed = top->next < top->names.count ? remove_or_enter(stack, top->fd, top->names.list[top->next++].text, err)
                                              : remove_emptied(stack, start, start_name, err);
    if (failed < 0) return -1;
  }
  return 0;
}

/* Says where it failed: `path`, and the rest of the way below it. */
static int below(const char *path, struct err *err) {
  struct stack names = {0};
  struct frame frames[1] = {{.fd = -1, .label = path}};
  names.frames = frames;
  names.count = 1;
  cleanup_free char *joined = stack_path(&names, err->path);
  return err_set(err, err->code, err->call, joined);
}

int remove_entry(int dir, const char *name, const char *path, struct err *err) {
  struct stack stack cleanup_with(stack_free) = {0};
  if (name[0] == '.' && name[1] == '\0') return err_detail(err, EBUSY, "unlinkat", path, "a root cannot be removed");
  if (unlinkat(dir, name, 0) == 0) return 1;
  if (errno == ENOENT) return 0;
  if (!may_be_folder(dir, name, errno)) return err_sys(err, "unlinkat", path);
  int fd = open_folder(dir, name);
  if (fd < 0) return errno == ENOENT ? 0 : err_sys(err, "openat2", path);
  if (step_into(&stack, fd, "", err) < 0 || empty_stack(&stack, dir, name, err) < 0) return below(path, err);
  return 1;
}
