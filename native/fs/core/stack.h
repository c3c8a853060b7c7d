/*
 * The chain of folders from where a recursion started to where it is, for trees of any depth: neither the C stack nor
 * the number of open descriptors grows with it. Of a long chain only the deepest folders stay open; the others are
 * opened again through ".." and compared with what they were.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "names.h"

struct frame {
  int fd; /* -1 while closed */
  dev_t dev;
  ino_t ino;
  struct names names;
  size_t next;        /* of names */
  uint32_t record;    /* walk: index of the folder's record */
  size_t offset;      /* walk: where that record is */
  uint32_t relistings; /* remove: how often the folder was not empty after all */
  const char *label;  /* the folder's name, for errors; borrowed from the parent frame's names */
};

struct stack {
  struct frame *frames;
  size_t count;
  size_t cap;
};

/* Opens folder `name` of `dir` without following links or entering another mount. -1 with errno. */
int stack_open_folder(int dir, const char *name);

/* Takes over `fd` (closed on failure too) and reads its names. */
int stack_push(struct stack *stack, int fd, const char *label, struct err *err);
/* Leaves the deepest folder; its parent is open afterwards. */
int stack_pop(struct stack *stack, struct err *err);
struct frame *stack_top(struct stack *stack);
void stack_free(struct stack *stack);

/* Path of `name` in the deepest folder (NULL: of that folder), relative to the start. To be freed; NULL without memory. */
char *stack_path(const struct stack *stack, const char *name);
/* As err_sys, with that path. */
int stack_sys(const struct stack *stack, const char *call, const char *name, struct err *err);
