#include "stack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "resolve.h"

enum { OPEN_MAX_FOLDERS = 64 };

int stack_open_folder(int dir, const char *name) {
  return resolve_raw(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
}

struct frame *stack_top(struct stack *stack) {
  return stack->count == 0 ? NULL : &stack->frames[stack->count - 1];
}

static int grow(struct stack *stack, struct err *err) {
  if (stack->count < stack->cap) return 0;
  size_t cap = stack->cap == 0 ? 32 : stack->cap * 2;
  struct frame *frames = realloc(stack->frames, cap * sizeof *frames);
  if (frames == NULL) return err_set(err, ENOMEM, "realloc", NULL);
  stack->frames = frames;
  stack->cap = cap;
  return 0;
}

/* Frames close in the order they were opened, so at most the deepest OPEN_MAX_FOLDERS are open. */
static void close_shallowest(struct stack *stack) {
  if (stack->count <= OPEN_MAX_FOLDERS) return;
  struct frame *frame = &stack->frames[stack->count - 1 - OPEN_MAX_FOLDERS];
  cleanup_close(&frame->fd);
  frame->fd = -1;
}

int stack_push(struct stack *stack, int fd, const char *label, struct err *err) {
  cleanup_fd int owned = fd;
  struct stat stat;
  if (grow(stack, err) < 0) return -1;
  if (fstat(fd, &stat) < 0) return stack_sys(stack, "fstat", label, err);
  struct frame frame = {.fd = fd, .dev = stat.st_dev, .ino = stat.st_ino, .label = label};
  if (names_read(&frame.names, fd, label, err) < 0) {
    errno = err->code;
    return stack_sys(stack, err->call, label, err);
  }
  stack->frames[stack->count++] = frame;
  take_fd(&owned);
  close_shallowest(stack);
  return 0;
}

/* The folder may have been moved elsewhere meanwhile; its ".." is then somebody else's. */
static int reopen(struct stack *stack, struct frame *frame, int child, struct err *err) {
  cleanup_fd int fd = openat(child, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct stat stat;
  if (fd < 0) return stack_sys(stack, "openat", NULL, err);
  if (fstat(fd, &stat) < 0) return stack_sys(stack, "fstat", NULL, err);
  if (stat.st_dev != frame->dev || stat.st_ino != frame->ino) {
    errno = ESTALE;
    return stack_sys(stack, "openat", NULL, err);
  }
  frame->fd = take_fd(&fd);
  return 0;
}

static void frame_free(struct frame *frame) {
  cleanup_close(&frame->fd);
  names_free(&frame->names);
}

int stack_pop(struct stack *stack, struct err *err) {
  struct frame *top = &stack->frames[--stack->count];
  struct frame *below = stack_top(stack);
  int failed = below != NULL && below->fd < 0 ? reopen(stack, below, top->fd, err) : 0;
  frame_free(top);
  return failed;
}

void stack_free(struct stack *stack) {
  for (size_t i = 0; i < stack->count; i++) frame_free(&stack->frames[i]);
  free(stack->frames);
  *stack = (struct stack){0};
}

char *stack_path(const struct stack *stack, const char *name) {
  size_t len = name == NULL ? 1 : strlen(name) + 1;
  for (size_t i = 0; i < stack->count; i++) len += strlen(stack->frames[i].label) + 1;
  char *path = malloc(len), *at = path;
  if (path == NULL) return NULL;
  *at = '\0';
  for (size_t i = 0; i <= stack->count; i++) {
    const char *part = i < stack->count ? stack->frames[i].label : name;
    if (part == NULL || *part == '\0') continue;
    if (at != path) *at++ = '/';
    at = stpcpy(at, part);
  }
  return path;
}

int stack_sys(const struct stack *stack, const char *call, const char *name, struct err *err) {
  int code = errno;
  cleanup_free char *path = stack_path(stack, name);
  return err_set(err, code, call, path);
}
