#include "packing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "buf.h"
#include "cleanup.h"
#include "contents.h"
#include "plain_head.h"
#include "resolve.h"

static const char WHITEOUT_PREFIX[] = ".wh.";

struct packing {
  struct packing_options options;
  struct walked walked;
  size_t walk_len;
  uint32_t next; /* entry */
  struct parent parent;
  struct buf path;       /* of the entry that is looked at */
  uint32_t folder;       /* whose path is at the beginning of that */
  size_t folder_len;
  uint32_t foreign_end;  /* what comes before this lies below a name that is the caller's */
  int fd;                /* of the file that is being read; else -1 */
  uint64_t content_left;
  size_t padding_left;
};

struct packing *packing_new(int root, struct walk_bytes walk, const struct packing_options *options, struct err *err) {
  struct packing *packing = calloc(1, sizeof *packing);
  if (packing == NULL) {
    err_set(err, ENOMEM, "calloc", NULL);
    return NULL;
  }
  packing->options = *options;
  packing->walk_len = walk.len;
  packing->next = 1; /* the root has no member: what it is like is the base image's affair */
  packing->fd = -1;
  parent_init(&packing->parent, root, LINKS_REFUSE);
  if (walked_open(&packing->walked, walk.bytes, walk.len, err) < 0) packing_free(&packing);
  return packing;
}

void packing_free(struct packing **packing) {
  struct packing *ended = *packing;
  if (ended == NULL) return;
  walked_free(&ended->walked);
  parent_free(&ended->parent);
  buf_free(&ended->path);
  cleanup_close(&ended->fd);
  free(ended);
  *packing = NULL;
}

/* ---- an entry ---- */

static int go_to_folder(struct packing *packing, uint32_t folder, struct err *err) {
  if (packing->folder == folder && packing->path.cap > 0) return 0;
  packing->path.len = 0;
  if (walked_folder_path(&packing->walked, folder, &packing->path, err) < 0) return -1;
  packing->folder = folder;
  packing->folder_len = packing->path.len;
  return 0;
}

/* The path, with the "/" of a folder and a NUL that is not counted. */
static int set_path(struct packing *packing, const struct walked_entry *entry, struct err *err) {
  struct buf *path = &packing->path;
  if (go_to_folder(packing, entry->parent, err) < 0) return -1;
  path->len = packing->folder_len;
  if (buf_reserve(path, (size_t)entry->name_len + 2, err) < 0) return -1;
  buf_append(path, entry->name, entry->name_len, err);
  if (S_ISDIR(entry->mode)) buf_append(path, "/", 1, err);
  path->data[path->len] = '\0';
  return 0;
}

static bool is_whiteout_name(const struct walked_entry *entry) {
  size_t len = sizeof WHITEOUT_PREFIX - 1;
  return entry->name_len >= len && memcmp(entry->name, WHITEOUT_PREFIX, len) == 0;
}

static bool is_later(struct timespec a, struct timespec b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

static struct plain_head head_of(const struct packing *packing, const struct walked_entry *entry) {
  const struct packing_options *options = &packing->options;
  bool is_late = options->has_latest && is_later(entry->mtime, options->latest);
  return (struct plain_head){
      .type = S_ISDIR(entry->mode) ? PLAIN_FOLDER : S_ISLNK(entry->mode) ? PLAIN_SYMLINK : PLAIN_FILE,
      .mode = entry->mode & 07777,
      .uid = entry->uid,
      .gid = entry->gid,
      .mtime = is_late ? options->latest : entry->mtime,
      .size = S_ISREG(entry->mode) ? (uint64_t)entry->size : 0,
      .path = (const char *)packing->path.data,
      .path_len = packing->path.len,
      .target = entry->target,
      .target_len = entry->target_len,
  };
}

/* Whether the entry is one for here. Attributes may say that it is a whiteout, or that a folder is opaque. */
static bool is_plain(const struct packing *packing, const struct walked_entry *entry, const struct plain_head *head) {
  bool is_folder = S_ISDIR(entry->mode);
  if (packing->next < packing->foreign_end || entry->xattr_count > 0) return false;
  if (!is_folder && !S_ISREG(entry->mode) && !S_ISLNK(entry->mode)) return false;
  if (!is_folder && entry->nlink != 1) return false;
  if (entry->size < 0 || head->size > packing->options.max_file_bytes) return false;
  return plain_head_fits(head);
}

/* Looks at the next entry. 1: it is one for here; 0: it is not; -1: failed. */
static int look(struct packing *packing, struct plain_head *head, struct err *err) {
  struct walked_entry entry = walked_entry(&packing->walked, packing->next);
  if (is_whiteout_name(&entry) && entry.end > packing->foreign_end) packing->foreign_end = entry.end;
  if (set_path(packing, &entry, err) < 0) return -1;
  *head = head_of(packing, &entry);
  return is_plain(packing, &entry, head) ? 1 : 0;
}

/* ---- contents ---- */

/* Returns 1 when the file is not what the walk saw. */
static int open_content(struct packing *packing, uint64_t size, struct err *err) {
  struct stat stat;
  packing->fd = contents_open(&packing->parent, (const char *)packing->path.data, &stat, err);
  if (packing->fd < 0) return -1;
  if ((uint64_t)stat.st_size != size) return 1;
  packing->content_left = size;
  packing->padding_left = (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
  return 0;
}

static size_t at_most(uint64_t count, size_t most) {
  return count < most ? (size_t)count : most;
}

/* What is left of a file, as far as there is room. Returns 1 when it has become shorter. */
static int go_on(struct packing *packing, uint8_t *out, size_t room, size_t *written, struct err *err) {
  size_t content = at_most(packing->content_left, room - *written);
  if (content > 0) {
    ssize_t got = contents_fill(packing->fd, out + *written, content);
    if (got < 0) return err_sys(err, "read", (const char *)packing->path.data);
    *written += (size_t)got;
    packing->content_left -= (uint64_t)got;
    if ((size_t)got < content) return 1;
    if (packing->content_left == 0) cleanup_close(&packing->fd);
    if (packing->content_left == 0) packing->fd = -1;
  }
  if (packing->content_left > 0) return 0;
  size_t padding = at_most(packing->padding_left, room - *written);
  memset(out + *written, 0, padding);
  *written += padding;
  packing->padding_left -= padding;
  return 0;
}

/* ---- steps ---- */

/* Passes over this entry, which is the caller's, and those that follow it and are too. */
static int pass_over(struct packing *packing, struct packing_step *step, struct err *err) {
  struct plain_head head;
  int is_ours = 0;
  step->first = packing->next;
  while (is_ours == 0 && ++packing->next < packing->walked.count) is_ours = look(packing, &head, err);
  step->end = packing->next;
  return is_ours < 0 ? -1 : 0;
}

static int tell_change(const struct packing *packing, struct packing_step *step) {
  step->changed = true;
  step->first = packing->next - 1;
  return 0;
}

int packing_step(struct packing *packing, struct walk_bytes walk, uint8_t *out, size_t room, struct packing_step *step,
                 struct err *err) {
  *step = (struct packing_step){0};
  if (walk.len != packing->walk_len || room < PLAIN_HEAD_MAX) return err_set(err, EINVAL, "pack", NULL);
  packing->walked.bytes = walk.bytes;
  for (;;) {
    struct plain_head head;
    int failed = go_on(packing, out, room, &step->written, err);
    if (failed != 0) return failed < 0 ? -1 : tell_change(packing, step);
    if (packing->content_left > 0 || packing->padding_left > 0) return 0;
    step->ended = packing->next >= packing->walked.count;
    if (step->ended || room - step->written < PLAIN_HEAD_MAX) return 0;
    int is_ours = look(packing, &head, err);
    if (is_ours < 0) return -1;
    if (is_ours == 0) return pass_over(packing, step, err);
    step->written += plain_head_write(&head, out + step->written);
    packing->next++;
    failed = head.size > 0 ? open_content(packing, head.size, err) : 0;
    if (failed != 0) return failed < 0 ? -1 : tell_change(packing, step);
  }
}
