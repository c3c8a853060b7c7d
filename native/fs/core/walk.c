#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
#include "resolve.h"
#include "stack.h"
#include "utf8.h"
#include "xattr.h"

enum { HEADER_BYTES = 16, RECORD_BYTES = 104, END_AT = 8 };
enum { FLAG_NAME_BYTES = 1, FLAG_TARGET_BYTES = 2 };

/* How often an entry may change its kind between being looked at and opened before the walk gives up. */
enum { CHANGES_MAX = 16 };

struct record {
  uint32_t length, parent, end, mode, uid, gid, nlink, xattr_count;
  uint64_t ino, dev;
  int64_t size, mtime_sec, ctime_sec;
  uint32_t mtime_nsec, ctime_nsec, rdev_major, rdev_minor, flags, name_len, target_len, xattr_len;
};
_Static_assert(sizeof(struct record) == RECORD_BYTES, "the record is the format: no padding");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are little-endian");

struct walker {
  const struct walk_options *options;
  struct buf *out;
  struct stack stack;
  uint32_t count;
};

static void fill_stat(struct record *record, const struct statx *stat) {
  record->mode = stat->stx_mode;
  record->uid = stat->stx_uid;
  record->gid = stat->stx_gid;
  record->nlink = stat->stx_nlink;
  record->ino = stat->stx_ino;
  record->dev = makedev(stat->stx_dev_major, stat->stx_dev_minor);
  record->size = (int64_t)stat->stx_size;
  record->mtime_sec = stat->stx_mtime.tv_sec;
  record->mtime_nsec = stat->stx_mtime.tv_nsec;
  record->ctime_sec = stat->stx_ctime.tv_sec;
  record->ctime_nsec = stat->stx_ctime.tv_nsec;
  record->rdev_major = stat->stx_rdev_major;
  record->rdev_minor = stat->stx_rdev_minor;
}

static int append_name(struct buf *out, struct record *record, const char *name, struct err *err) {
  record->name_len = (uint32_t)strlen(name);
  if (!utf8_valid(name, record->name_len)) record->flags |= FLAG_NAME_BYTES;
  return buf_append(out, name, record->name_len, err);
}

static int append_target(struct buf *out, struct record *record, int dir, const char *name, struct err *err) {
  if (buf_reserve(out, PATH_MAX, err) < 0) return -1;
  char *target = (char *)out->data + out->len;
  ssize_t len = readlinkat(dir, name, target, PATH_MAX);
  if (len < 0) return err_sys(err, "readlinkat", name);
  record->target_len = (uint32_t)len;
  if (!utf8_valid(target, record->target_len)) record->flags |= FLAG_TARGET_BYTES;
  out->len += (size_t)len;
  return 0;
}

/* user.* exists on files and folders only, a capability on files, overlayfs' marks on both. */
static int append_xattrs(struct walker *walker, struct record *record, int dir, const char *name, struct err *err) {
  if (!walker->options->xattrs || !(S_ISREG(record->mode) || S_ISDIR(record->mode))) return 0;
  size_t before = walker->out->len;
  if (xattr_read(dir, name, walker->out, &record->xattr_count, err) < 0) return -1;
  record->xattr_len = (uint32_t)(walker->out->len - before);
  return 0;
}

static int append_parts(struct walker *walker, struct record *record, int dir, const char *name, const char *label,
                        struct err *err) {
  if (append_name(walker->out, record, label, err) < 0) return -1;
  if (S_ISLNK(record->mode) && append_target(walker->out, record, dir, name, err) < 0) return -1;
  return append_xattrs(walker, record, dir, name, err);
}

static int append_record(struct walker *walker, int dir, const char *name, const char *label,
                         const struct statx *stat, struct err *err) {
  static const uint8_t zeros[8];
  struct buf *out = walker->out;
  struct frame *folder = stack_top(&walker->stack);
  size_t start = out->len;
  struct record record = {.parent = folder == NULL ? UINT32_MAX : folder->record, .end = walker->count + 1};
  fill_stat(&record, stat);
  if (buf_append(out, &record, sizeof record, err) < 0) return -1;
  if (append_parts(walker, &record, dir, name, label, err) < 0) return -1;
  if (buf_append(out, zeros, (8 - (out->len - start) % 8) % 8, err) < 0) return -1;
  record.length = (uint32_t)(out->len - start);
  memcpy(out->data + start, &record, sizeof record);
  walker->count++;
  return 0;
}

/* Opens the folder that was just recorded. Returns 1 when entered, 0 when it is not to be entered, -1 with errno. */
static int enter(struct walker *walker, int dir, const char *name, const char *label, size_t start, struct err *err) {
  if (walker->stack.count >= walker->options->depth) return 0;
  /* The start itself may be a mount. */
  int fd = walker->stack.count == 0 ? openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                                    : stack_open_folder(dir, name);
  if (fd < 0 && errno == EXDEV) return 0;
  if (fd < 0) return err_sys(err, "openat2", name);
  if (stack_push(&walker->stack, fd, label, err) < 0) return -1;
  struct frame *frame = stack_top(&walker->stack);
  frame->record = walker->count - 1;
  frame->offset = start;
  return 1;
}

static int visit_once(struct walker *walker, int dir, const char *name, const char *label, struct err *err) {
  struct statx stat;
  size_t start = walker->out->len;
  if (statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &stat) < 0)
    return err_sys(err, "statx", name);
  if (append_record(walker, dir, name, label, &stat, err) < 0) return -1;
  return S_ISDIR(stat.stx_mode) ? enter(walker, dir, name, label, start, err) : 0;
}

/* An entry that became something else between two calls on it is looked at again. */
static bool changed_kind(int code) {
  return code == ENOTDIR || code == ELOOP || code == EINVAL;
}

/* Records an entry, and enters it if it is a folder. A failure takes its half-made record back. */
static int visit(struct walker *walker, int dir, const char *name, const char *label, struct err *err) {
  size_t start = walker->out->len, depth = walker->stack.count;
  uint32_t count = walker->count;
  for (int change = 0;; change++) {
    if (visit_once(walker, dir, name, label, err) >= 0) return 0;
    walker->out->len = start;
    walker->count = count;
    if (depth > 0 && err->code == ENOENT) return 0;
    if (changed_kind(err->code) && change < CHANGES_MAX) continue;
    errno = err->code;
    return stack_sys(&walker->stack, err->call, label, err);
  }
}

static int leave(struct walker *walker, struct err *err) {
  struct frame *top = stack_top(&walker->stack);
  memcpy(walker->out->data + top->offset + END_AT, &walker->count, sizeof walker->count);
  return stack_pop(&walker->stack, err);
}

static bool is_skipped_name(const struct walk_options *options, const char *name) {
  const char *end = options->skip_names + options->skip_names_len;
  for (const char *at = options->skip_names; at != end; at += strlen(at) + 1)
    if (strcmp(at, name) == 0) return true;
  return false;
}

/* Compares from the last name upwards: most paths end otherwise, and the path of an entry never has to be put together. */
static bool is_path(const struct stack *stack, const char *name, const char *path) {
  const char *end = path + strlen(path);
  for (size_t depth = stack->count;; name = stack->frames[--depth].label) {
    size_t len = strlen(name);
    if ((size_t)(end - path) < len || memcmp(end - len, name, len) != 0) return false;
    end -= len;
    /* The first frame is the start, which has no name. */
    if (depth == 1) return end == path;
    if (end == path || *--end != '/') return false;
  }
}

static bool is_skipped(const struct walker *walker, const char *name) {
  const struct walk_options *options = walker->options;
  if (options->skip_names_len > 0 && is_skipped_name(options, name)) return true;
  if (options->skip_paths_len == 0) return false;
  const char *end = options->skip_paths + options->skip_paths_len;
  for (const char *at = options->skip_paths; at != end; at += strlen(at) + 1)
    if (is_path(&walker->stack, name, at)) return true;
  return false;
}

static int walk_all(struct walker *walker, struct err *err) {
  for (struct frame *top; (top = stack_top(&walker->stack)) != NULL;) {
    if (top->next == top->names.count) {
      if (leave(walker, err) < 0) return -1;
      continue;
    }
    const char *name = top->names.list[top->next++].text;
    if (is_skipped(walker, name)) continue;
    if (visit(walker, top->fd, name, name, err) < 0) return -1;
  }
  return 0;
}

/* The start is looked at from its own folder, so that a link is seen as one; a root is looked at as ".". */
static int walk_start(struct walker *walker, int root, const char *path, struct err *err) {
  struct parent parent cleanup_with(parent_free);
  parent_init(&parent, root, LINKS_FOLLOW);
  if (parent_open(&parent, path, err) < 0) return -1;
  int failed = visit(walker, parent.fd, parent.name, "", err);
  return failed < 0 ? err_set(err, err->code, err->call, path) : walk_all(walker, err);
}

static bool is_block(const char *texts, size_t len) {
  return len == 0 || texts[len - 1] == '\0';
}

int walk_tree(int root, const char *path, const struct walk_options *options, struct buf *out, struct err *err) {
  if (!is_block(options->skip_paths, options->skip_paths_len) || !is_block(options->skip_names, options->skip_names_len))
    return err_set(err, EINVAL, "walk", path);
  struct walker walker = {.options = options, .out = out};
  uint8_t header[HEADER_BYTES] = "TSBWALK1";
  if (buf_append(out, header, sizeof header, err) < 0) return -1;
  int failed = walk_start(&walker, root, path, err);
  stack_free(&walker.stack);
  if (failed < 0) return -1;
  uint32_t tail[2] = {walker.count, options->xattrs ? 1 : 0};
  memcpy(out->data + 8, tail, sizeof tail);
  return 0;
}
