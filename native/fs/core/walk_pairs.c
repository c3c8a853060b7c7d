#include "walk_pairs.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "walked.h"

struct pair {
  uint32_t old, new;
};

struct pairing {
  struct walked before, after;
  struct buf folders; /* pairs whose entries are still to be compared */
  uint32_t *out;
};

/* As a walk sorts names. */
static int compare_names(const struct walked_entry *a, const struct walked_entry *b) {
  size_t len = a->name_len < b->name_len ? a->name_len : b->name_len;
  int order = memcmp(a->name, b->name, len);
  return order != 0 ? order : (a->name_len > b->name_len) - (a->name_len < b->name_len);
}

static int add_pair(struct pairing *pairing, uint32_t old, uint32_t new, struct err *err) {
  if (pairing->out[new] != 0) return 0; /* in damaged bytes only, which must not take forever */
  bool same = walked_same(&pairing->before, old, &pairing->after, new);
  pairing->out[new] = (old + 1) | (same ? WALK_PAIR_SAME : 0);
  bool folders = S_ISDIR(walked_entry(&pairing->before, old).mode) && S_ISDIR(walked_entry(&pairing->after, new).mode);
  struct pair pair = {old, new};
  return folders ? buf_append(&pairing->folders, &pair, sizeof pair, err) : 0;
}

/* Both lists are sorted: one pass over both finds the names that are in both. */
static int pair_entries(struct pairing *pairing, struct pair folder, struct err *err) {
  uint32_t old = folder.old + 1, old_end = walked_entry(&pairing->before, folder.old).end;
  uint32_t new = folder.new + 1, new_end = walked_entry(&pairing->after, folder.new).end;
  while (old < old_end && new < new_end) {
    struct walked_entry a = walked_entry(&pairing->before, old), b = walked_entry(&pairing->after, new);
    int order = compare_names(&a, &b);
    if (order == 0 && add_pair(pairing, old, new, err) < 0) return -1;
    if (order <= 0) old = a.end;
    if (order >= 0) new = b.end;
  }
  return 0;
}

static int pair_all(struct pairing *pairing, struct err *err) {
  struct pair folder;
  if (pairing->before.count == 0 || pairing->after.count == 0) return 0;
  if (add_pair(pairing, 0, 0, err) < 0) return -1;
  while (pairing->folders.len > 0) {
    pairing->folders.len -= sizeof folder;
    memcpy(&folder, pairing->folders.data + pairing->folders.len, sizeof folder);
    if (pair_entries(pairing, folder, err) < 0) return -1;
  }
  return 0;
}

static int open_both(struct pairing *pairing, struct walk_bytes before, struct walk_bytes after, struct err *err) {
  if (walked_open(&pairing->before, before.bytes, before.len, err) < 0) return -1;
  return walked_open(&pairing->after, after.bytes, after.len, err);
}

int walk_pairs(struct walk_bytes before, struct walk_bytes after, struct buf *out, struct err *err) {
  struct pairing pairing = {0};
  int failed = open_both(&pairing, before, after, err);
  if (failed == 0 && pairing.before.count >= WALK_PAIR_SAME) failed = err_set(err, EFBIG, "walk", NULL);
  size_t size = (size_t)pairing.after.count * sizeof *pairing.out;
  if (failed == 0) failed = buf_reserve(out, size, err);
  if (failed == 0) {
    memset(out->data, 0, size);
    pairing.out = (uint32_t *)out->data;
    out->len = size;
    failed = pair_all(&pairing, err);
  }
  walked_free(&pairing.before);
  walked_free(&pairing.after);
  buf_free(&pairing.folders);
  return failed;
}
