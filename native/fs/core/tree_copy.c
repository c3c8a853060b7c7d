#include "tree_copy.h"

#include <errno.h>
#include <string.h>

#include "apply.h"
#include "ops.h"
#include "sha256.h"
#include "walked.h"

enum { PICK_BYTES = 8 };

struct copying {
  const struct tree_copy *copy;
  struct walked walked;
  struct applier *applier;
  struct buf digests;
  uint32_t folder; /* that `from` and `to` begin with; ~0 before the first file */
  struct buf from, to;
  size_t from_folder_len, to_folder_len;
};

static int append_prefix(struct buf *path, const char *prefix, struct err *err) {
  size_t len = strlen(prefix);
  if (buf_append(path, prefix, len, err) < 0) return -1;
  return len == 0 ? 0 : buf_append(path, "/", 1, err);
}

/* The text of a folder and what it begins with, once per folder: files come folder by folder. */
static int set_folder(struct copying *copying, uint32_t folder, struct err *err) {
  if (folder == copying->folder) return 0;
  copying->from.len = copying->to.len = 0;
  if (append_prefix(&copying->from, copying->copy->from, err) < 0 ||
      append_prefix(&copying->to, copying->copy->to, err) < 0 ||
      walked_folder_path(&copying->walked, folder, &copying->from, err) < 0 ||
      walked_folder_path(&copying->walked, folder, &copying->to, err) < 0)
    return -1;
  copying->from_folder_len = copying->from.len;
  copying->to_folder_len = copying->to.len;
  copying->folder = folder;
  return 0;
}

static int set_name(struct buf *path, size_t folder_len, const struct walked_entry *entry, struct err *err) {
  path->len = folder_len;
  if (buf_append(path, entry->name, entry->name_len, err) < 0) return -1;
  return buf_append(path, "", 1, err);
}

static int copy_pick(struct copying *copying, uint32_t index, uint32_t mode, struct err *err) {
  const struct tree_copy *copy = copying->copy;
  if (index == 0 || index >= copying->walked.count) return err_detail(err, EINVAL, "picks", NULL, "no such file");
  struct walked_entry entry = walked_entry(&copying->walked, index);
  if (set_folder(copying, entry.parent, err) < 0 || set_name(&copying->from, copying->from_folder_len, &entry, err) < 0 ||
      set_name(&copying->to, copying->to_folder_len, &entry, err) < 0)
    return -1;
  struct op op = {
      .type = OP_COPY,
      .existing = copy->replace ? EXISTING_REPLACE : EXISTING_COPY,
      .flags = OP_HAS_MTIME | (mode & TREE_COPY_TWIN ? OP_TRY_TWIN : 0),
      .mode = mode & 07777,
      .uid = copy->uid < 0 ? entry.uid : (uid_t)copy->uid,
      .gid = copy->gid < 0 ? entry.gid : (gid_t)copy->gid,
      .mtime = copy->has_mtime ? copy->mtime : entry.mtime,
      .path = (const char *)copying->to.data,
      .argument = (const char *)copying->from.data,
  };
  copying->digests.len = 0;
  if (applier_perform(copying->applier, &op, err) < 0) return -1;
  /* None for a file that was linked: that has not been read. */
  if (copying->digests.len == 0) return 0;
  if (memcmp(copying->digests.data, copy->hashes + (size_t)index * SHA256_BYTES, SHA256_BYTES) == 0) return 0;
  return err_detail(err, ESTALE, "copy", op.argument, "it is not what it was");
}

static int copy_all(struct copying *copying, struct err *err) {
  const struct tree_copy *copy = copying->copy;
  for (size_t at = 0; at < copy->picks_len; at += PICK_BYTES) {
    uint32_t pick[2];
    memcpy(pick, copy->picks + at, sizeof pick);
    if (copy_pick(copying, pick[0], pick[1], err) == 0) continue;
    err->index = (int64_t)(at / PICK_BYTES);
    return -1;
  }
  return 0;
}

static int check(const struct copying *copying, struct err *err) {
  const struct tree_copy *copy = copying->copy;
  if (copy->picks_len % PICK_BYTES != 0) return err_detail(err, EINVAL, "picks", NULL, "half a pick");
  bool whole = copy->hashes_len == 0 || copy->hashes_len == (size_t)copying->walked.count * SHA256_BYTES;
  return whole ? 0 : err_detail(err, EINVAL, "hashes", NULL, "not one per record");
}

int tree_copy(int root, int source, int twins, const struct tree_copy *copy, struct err *err) {
  struct apply_options options = {.hash = copy->hashes_len > 0};
  struct copying copying = {.copy = copy, .folder = UINT32_MAX};
  int failed = walked_open(&copying.walked, copy->walk, copy->walk_len, err);
  if (failed == 0) failed = check(&copying, err);
  if (failed == 0) {
    copying.applier = applier_new(root, source, twins, &options, &copying.digests, err);
    failed = copying.applier == NULL ? -1 : copy_all(&copying, err);
  }
  applier_free(&copying.applier);
  walked_free(&copying.walked);
  buf_free(&copying.digests);
  buf_free(&copying.from);
  buf_free(&copying.to);
  return failed;
}
