#include "walk_digest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "sha256.h"
#include "walked.h"

/* What is gathered before it is hashed: a call for a hundred bytes costs more than hashing them. */
enum { BATCH_BYTES = 64 * 1024, NUMBERS_BYTES = 128 };
static const uint32_t NO_RECORD = UINT32_MAX;

struct digesting {
  const struct walk_digest *wanted;
  struct walked walked;
  struct sha256 *all, *part;
  struct buf batch;
  struct buf folder; /* path that `batch` was last given entries of, with "/" behind it */
  uint32_t folder_index;
  uint32_t part_index; /* entry of the root that `part` is of */
  struct buf *out;
};

static int flush(struct digesting *digesting, struct err *err) {
  struct buf *batch = &digesting->batch;
  if (sha256_update(digesting->all, batch->data, batch->len, err) < 0) return -1;
  if (digesting->part_index != NO_RECORD && sha256_update(digesting->part, batch->data, batch->len, err) < 0) return -1;
  batch->len = 0;
  return 0;
}

static int end_part(struct digesting *digesting, struct err *err) {
  uint8_t digest[SHA256_BYTES];
  if (flush(digesting, err) < 0) return -1;
  if (digesting->part_index == NO_RECORD) return 0;
  if (sha256_end(digesting->part, digest, err) < 0) return -1;
  if (buf_append(digesting->out, &digesting->part_index, sizeof digesting->part_index, err) < 0) return -1;
  return buf_append(digesting->out, digest, sizeof digest, err);
}

static int begin_part(struct digesting *digesting, uint32_t index, struct err *err) {
  if (end_part(digesting, err) < 0) return -1;
  digesting->part_index = index;
  return sha256_begin(digesting->part, err);
}

/* Length of a text in UTF-16, as JavaScript counts it; in bytes where it is no UTF-8. Digests are compared with those of older versions. */
static size_t text_length(const char *text, size_t len, bool is_bytes) {
  size_t units = 0;
  if (is_bytes) return len;
  for (size_t i = 0; i < len; i++) {
    uint8_t byte = (uint8_t)text[i];
    units += (byte & 0xC0) == 0x80 ? 0 : byte >= 0xF0 ? 2 : 1;
  }
  return units;
}

static int add(struct digesting *digesting, const void *bytes, size_t len, struct err *err) {
  return buf_append(&digesting->batch, bytes, len, err);
}

static int add_number(struct digesting *digesting, const char *before, unsigned long long number, const char *after,
                      struct err *err) {
  char text[NUMBERS_BYTES];
  int len = snprintf(text, sizeof text, "%s%llu%s", before, number, after);
  return add(digesting, text, (size_t)len, err);
}

/* Path of an entry behind its length; nothing but a length for the first. */
static int add_path(struct digesting *digesting, uint32_t index, const struct walked_entry *entry, struct err *err) {
  if (index == 0) return add(digesting, "0:", 2, err);
  struct buf *folder = &digesting->folder;
  if (entry->parent != digesting->folder_index) {
    folder->len = 0;
    if (walked_folder_path(&digesting->walked, entry->parent, folder, err) < 0) return -1;
    digesting->folder_index = entry->parent;
  }
  /* A part that is no UTF-8 makes the whole none: which is asked of the names, as the walk knows it of each. */
  bool is_bytes = walked_has_byte_name(&digesting->walked, index);
  size_t units = text_length((const char *)folder->data, folder->len, is_bytes) + text_length(entry->name, entry->name_len, is_bytes);
  if (add_number(digesting, "", units, ":", err) < 0 || add(digesting, folder->data, folder->len, err) < 0) return -1;
  return add(digesting, entry->name, entry->name_len, err);
}

static int add_numbers(struct digesting *digesting, const struct walked_entry *entry, struct err *err) {
  char text[NUMBERS_BYTES];
  bool ownerless = digesting->wanted->ownerless;
  /* The size of a folder is an accident of the file system. */
  long long size = S_ISREG(entry->mode) ? (long long)entry->size : 0;
  int len = snprintf(text, sizeof text, " %u %u:%u %lld ", entry->mode, ownerless ? 0 : entry->uid, ownerless ? 0 : entry->gid, size);
  return add(digesting, text, (size_t)len, err);
}

static int add_target(struct digesting *digesting, const struct walked_entry *entry, struct err *err) {
  if (!S_ISLNK(entry->mode)) return add(digesting, "-", 1, err);
  size_t units = text_length(entry->target, entry->target_len, entry->target_is_bytes);
  if (add_number(digesting, "", units, ":", err) < 0) return -1;
  return add(digesting, entry->target, entry->target_len, err);
}

static int add_device(struct digesting *digesting, const struct walked_entry *entry, struct err *err) {
  char text[NUMBERS_BYTES];
  int len = snprintf(text, sizeof text, " %u:%u\n", entry->rdev_major, entry->rdev_minor);
  return add(digesting, text, (size_t)len, err);
}

static bool starts_with(const char *text, size_t len, const char *prefix) {
  size_t prefix_len = strlen(prefix);
  return len >= prefix_len && memcmp(text, prefix, prefix_len) == 0;
}

static bool is_content(const struct walked_xattr *xattr) {
  static const char capability[] = "security.capability";
  if (xattr->name_len == strlen(capability) && memcmp(xattr->name, capability, strlen(capability)) == 0) return true;
  return starts_with(xattr->name, xattr->name_len, "user.") && !starts_with(xattr->name, xattr->name_len, "user.overlay.");
}

static int add_xattrs(struct digesting *digesting, uint32_t index, struct err *err) {
  struct walked_xattr xattr;
  size_t at = 0;
  for (int more; (more = walked_xattr(&digesting->walked, index, &at, &xattr, err)) != 0;) {
    if (more < 0) return -1;
    if (!is_content(&xattr)) continue;
    if (add_number(digesting, "x ", text_length(xattr.name, xattr.name_len, false), ":", err) < 0 ||
        add(digesting, xattr.name, xattr.name_len, err) < 0 || add_number(digesting, " ", xattr.value_len, ":", err) < 0 ||
        add(digesting, xattr.value, xattr.value_len, err) < 0)
      return -1;
  }
  return 0;
}

static int add_entry(struct digesting *digesting, uint32_t index, struct err *err) {
  struct walked_entry entry = walked_entry(&digesting->walked, index);
  bool is_part = index == 0 || entry.parent == 0;
  if (is_part && begin_part(digesting, index, err) < 0) return -1;
  if (add(digesting, "e ", 2, err) < 0 || add_path(digesting, index, &entry, err) < 0 || add_numbers(digesting, &entry, err) < 0 ||
      add_target(digesting, &entry, err) < 0 || add_device(digesting, &entry, err) < 0)
    return -1;
  const uint8_t *hash = digesting->wanted->hashes + (size_t)index * SHA256_BYTES;
  if (S_ISREG(entry.mode) && add(digesting, hash, SHA256_BYTES, err) < 0) return -1;
  if (add_xattrs(digesting, index, err) < 0) return -1;
  return digesting->batch.len < BATCH_BYTES ? 0 : flush(digesting, err);
}

static int add_head(struct digesting *digesting, size_t count, struct err *err) {
  const char *name = digesting->wanted->name;
  size_t len = strlen(name);
  if (add_number(digesting, "root ", text_length(name, len, false), ":", err) < 0 || add(digesting, name, len, err) < 0) return -1;
  return add_number(digesting, " ", count, "\n", err);
}

static int add_all(struct digesting *digesting, struct err *err) {
  const struct walk_digest *wanted = digesting->wanted;
  size_t count = wanted->chosen_len / sizeof(uint32_t);
  if (sha256_begin(digesting->all, err) < 0 || add_head(digesting, count, err) < 0) return -1;
  for (size_t i = 0; i < count; i++) {
    uint32_t index;
    memcpy(&index, wanted->chosen + i * sizeof index, sizeof index);
    if (index >= digesting->walked.count) return err_detail(err, EINVAL, "chosen", NULL, "no such record");
    if (add_entry(digesting, index, err) < 0) return -1;
  }
  return end_part(digesting, err);
}

static int check(const struct digesting *digesting, struct err *err) {
  const struct walk_digest *wanted = digesting->wanted;
  if (wanted->chosen_len % sizeof(uint32_t) != 0) return err_detail(err, EINVAL, "chosen", NULL, "half an index");
  bool whole = wanted->hashes_len == (size_t)digesting->walked.count * SHA256_BYTES;
  return whole ? 0 : err_detail(err, EINVAL, "hashes", NULL, "not one per record");
}

static int digest_opened(struct digesting *digesting, struct err *err) {
  static const uint8_t room[SHA256_BYTES];
  if (check(digesting, err) < 0) return -1;
  digesting->all = sha256_new(err);
  digesting->part = digesting->all == NULL ? NULL : sha256_new(err);
  if (digesting->part == NULL) return -1;
  size_t start = digesting->out->len;
  /* The digest of all is known last and comes first. */
  if (buf_append(digesting->out, room, sizeof room, err) < 0 || add_all(digesting, err) < 0) return -1;
  return sha256_end(digesting->all, digesting->out->data + start, err);
}

int walk_digest(const struct walk_digest *wanted, struct buf *out, struct err *err) {
  struct digesting digesting = {.wanted = wanted, .folder_index = NO_RECORD, .part_index = NO_RECORD, .out = out};
  int failed = walked_open(&digesting.walked, wanted->walk, wanted->walk_len, err);
  if (failed == 0) failed = digest_opened(&digesting, err);
  sha256_free(&digesting.all);
  sha256_free(&digesting.part);
  walked_free(&digesting.walked);
  buf_free(&digesting.batch);
  buf_free(&digesting.folder);
  return failed;
}
