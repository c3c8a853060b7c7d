#include "names.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "buf.h"
#include "cleanup.h"

/* One call fetches about a thousand names. */
enum { DIRENT_BYTES = 32 * 1024 };

struct kernel_dirent {
  uint64_t ino;
  int64_t off;
  uint16_t reclen;
  uint8_t type;
  char name[];
};

static bool is_dot(const char *name) {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static uint64_t sort_key(const char *text) {
  uint64_t key = 0;
  for (int shift = 56; shift >= 0 && *text != '\0'; shift -= 8) key |= (uint64_t)(uint8_t)*text++ << shift;
  return key;
}

static int compare(const void *a, const void *b) {
  const struct name *left = a, *right = b;
  if (left->key != right->key) return left->key < right->key ? -1 : 1;
  return strcmp(left->text, right->text);
}

static int collect(struct buf *bytes, const char *dirents, size_t len, size_t *count, struct err *err) {
  for (size_t at = 0; at < len;) {
    const struct kernel_dirent *entry = (const void *)(dirents + at);
    at += entry->reclen;
    if (is_dot(entry->name)) continue;
    if (buf_append(bytes, entry->name, strlen(entry->name) + 1, err) < 0) return -1;
    (*count)++;
  }
  return 0;
}

static int index_names(struct names *names, struct buf *bytes, size_t count, struct err *err) {
  names->list = count == 0 ? NULL : malloc(count * sizeof *names->list);
  if (count > 0 && names->list == NULL) return err_set(err, ENOMEM, "malloc", NULL);
  names->bytes = (char *)bytes->data;
  names->count = count;
  *bytes = (struct buf){0};
  const char *text = names->bytes;
  for (size_t i = 0; i < count; i++, text += strlen(text) + 1)
    names->list[i] = (struct name){.key = sort_key(text), .text = text};
  if (count > 1) qsort(names->list, count, sizeof *names->list, compare);
  return 0;
}

int names_read(struct names *names, int dir, const char *path, struct err *err) {
  *names = (struct names){0};
  cleanup_free char *dirents = malloc(DIRENT_BYTES);
  struct buf bytes cleanup_with(buf_free) = {0};
  size_t count = 0;
  if (dirents == NULL) return err_set(err, ENOMEM, "malloc", NULL);
  if (lseek(dir, 0, SEEK_SET) < 0) return err_sys(err, "lseek", path);
  for (;;) {
    long len = syscall(SYS_getdents64, dir, dirents, DIRENT_BYTES);
    if (len < 0 && errno == EINTR) continue;
    if (len < 0) return err_sys(err, "getdents64", path);
    if (len == 0) return index_names(names, &bytes, count, err);
    if (collect(&bytes, dirents, (size_t)len, &count, err) < 0) return -1;
  }
}

void names_free(struct names *names) {
  free(names->bytes);
  free(names->list);
  *names = (struct names){0};
}
