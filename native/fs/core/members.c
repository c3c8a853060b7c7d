#include "members.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "cleanup.h"
#include "copy.h"
#include "ops.h"
#include "plain_header.h"
#include "single.h"

struct members {
  struct apply_options options;
  struct applier *applier;
  struct plain_header header; /* of the member that is being made */
  int fd;                     /* of the file that is being written; else -1 */
  uint64_t content_left;
  size_t padding_left;
  struct buf folders;
  struct buf others;
};

struct members *members_new(int root, struct err *err) {
  struct members *members = calloc(1, sizeof *members);
  if (members == NULL) {
    err_set(err, ENOMEM, "calloc", NULL);
    return NULL;
  }
  members->fd = -1;
  members->options.real_folders = true;
  members->applier = applier_new(root, -1, -1, &members->options, NULL, err);
  if (members->applier == NULL) members_free(&members);
  return members;
}

static struct op op_of(const struct plain_header *header, enum op_type type) {
  return (struct op){
      .type = type,
      .existing = EXISTING_ERROR,
      /* The time of a folder changes with what is made in it. */
      .flags = type == OP_FOLDER ? 0 : OP_HAS_MTIME,
      .mode = header->mode,
      .uid = header->uid,
      .gid = header->gid,
      .mtime = header->mtime,
      .path = header->path,
      .argument = header->target,
  };
}

/* ---- what was made ---- */

static int note_folder(struct members *members, struct err *err) {
  const struct plain_header *header = &members->header;
  int64_t seconds = header->mtime.tv_sec;
  uint32_t nanos = (uint32_t)header->mtime.tv_nsec;
  if (buf_append(&members->folders, header->path, strlen(header->path) + 1, err) < 0) return -1;
  if (buf_append(&members->folders, &seconds, sizeof seconds, err) < 0) return -1;
  return buf_append(&members->folders, &nanos, sizeof nanos, err);
}

static int note_other(struct members *members, struct err *err) {
  return buf_append(&members->others, members->header.path, strlen(members->header.path) + 1, err);
}

static struct buf take(struct buf *buf) {
  struct buf taken = *buf;
  *buf = (struct buf){0};
  return taken;
}

struct buf members_folders(struct members *members) {
  return take(&members->folders);
}

struct buf members_others(struct members *members) {
  return take(&members->others);
}

bool members_has_folders(const struct members *members) {
  return members->folders.len > 0;
}

bool members_has_others(const struct members *members) {
  return members->others.len > 0;
}

/* ---- files ---- */

static int end_file(struct members *members, struct err *err) {
  struct op op = op_of(&members->header, OP_FILE);
  cleanup_fd int fd = take_fd(&members->fd);
  return applier_end_file(members->applier, &op, fd, err);
}

static int begin_file(struct members *members, struct err *err) {
  struct op op = op_of(&members->header, OP_FILE);
  members->fd = applier_begin_file(members->applier, &op, err);
  if (members->fd < 0) return -1;
  members->content_left = members->header.size;
  members->padding_left = (TAR_BLOCK - members->header.size % TAR_BLOCK) % TAR_BLOCK;
  if (note_other(members, err) < 0) return -1;
  return members->content_left == 0 ? end_file(members, err) : 0;
}

static size_t at_most(uint64_t count, size_t most) {
  return count < most ? (size_t)count : most;
}

/* What is left of a member, as far as it is there; returns how much that was. */
static int go_on(struct members *members, const uint8_t *bytes, size_t len, size_t *passed, struct err *err) {
  size_t content = at_most(members->content_left, len);
  size_t padding = content < members->content_left ? 0 : at_most(members->padding_left, len - content);
  if (content > 0) {
    if (write_all(members->fd, bytes, content) < 0) return err_sys(err, "write", members->header.path);
    members->content_left -= content;
    if (members->content_left == 0 && end_file(members, err) < 0) return -1;
  }
  members->padding_left -= padding;
  *passed = content + padding;
  return 0;
}

/* ---- members ---- */

static int make(struct members *members, struct err *err) {
  static const enum op_type types[] = {
      [PLAIN_FOLDER] = OP_FOLDER, [PLAIN_SYMLINK] = OP_SYMLINK, [PLAIN_HARDLINK] = OP_HARDLINK};
  enum plain_type type = members->header.type;
  if (type == PLAIN_FILE) return begin_file(members, err);
  struct op op = op_of(&members->header, types[type]);
  if (applier_perform(members->applier, &op, err) < 0) return -1;
  return type == PLAIN_FOLDER ? note_folder(members, err) : note_other(members, err);
}

/* Nothing was made then, and what it means is for the caller to say: no such folder or file, a link in the way, a place that is taken. */
static bool is_for_caller(const struct err *err) {
  return err->code == EEXIST || err->code == ENOENT || err->code == ENOTDIR || err->code == ELOOP;
}

bool members_is_inside(const struct members *members) {
  return members->content_left > 0 || members->padding_left > 0;
}

int members_step(struct members *members, const uint8_t *bytes, size_t len, struct members_step *step, struct err *err) {
  *step = (struct members_step){0};
  applier_forget(members->applier);
  for (;;) {
    size_t passed = 0;
    if (go_on(members, bytes + step->consumed, len - step->consumed, &passed, err) < 0) return -1;
    step->consumed += passed;
    if (members_is_inside(members) || !plain_header_read(&members->header, bytes + step->consumed, len - step->consumed)) break;
    if (make(members, err) < 0) {
      if (!is_for_caller(err)) return -1;
      err_free(err);
      *err = ERR_INIT;
      break;
    }
    step->consumed += members->header.length;
    step->made++;
  }
  return 0;
}

void members_free(struct members **members) {
  if (*members == NULL) return;
  applier_free(&(*members)->applier);
  cleanup_close(&(*members)->fd);
  buf_free(&(*members)->folders);
  buf_free(&(*members)->others);
  free(*members);
  *members = NULL;
}
