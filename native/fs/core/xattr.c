#include "xattr.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"

enum { LINK_BYTES = 64 + NAME_MAX, NAME_BYTES = XATTR_NAME_MAX + 1 };

#ifndef XATTR_NAME_MAX
#error "linux/limits.h did not define XATTR_NAME_MAX"
#endif

static bool starts_with(const char *text, const char *prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool belongs_to_content(const char *attribute) {
  return starts_with(attribute, "user.") || starts_with(attribute, "trusted.overlay.") ||
         strcmp(attribute, "security.capability") == 0;
}

static void link_path(char *out, int dir, const char *name) {
  snprintf(out, LINK_BYTES, "/proc/self/fd/%d/%.*s", dir, NAME_MAX, name);
}

/* The same number on every architecture; since Linux 6.13. */
#ifndef SYS_listxattrat
#define SYS_listxattrat 465
#endif

/*
 * By the folder itself where the kernel can do that: most entries of a tree have no attribute, and the way to them over /proc takes longer than all
 * else that is asked of them. An outer sandbox that does not know the call says EPERM.
 */
static ssize_t list_at(int dir, const char *name, char *list, size_t size) {
  static atomic_bool is_missing;
  if (!is_missing) {
    ssize_t len = syscall(SYS_listxattrat, dir, name, AT_SYMLINK_NOFOLLOW, list, size);
    if (len >= 0 || (errno != ENOSYS && errno != EPERM)) return len;
    is_missing = true;
  }
  char link[LINK_BYTES];
  link_path(link, dir, name);
  return llistxattr(link, list, size);
}

/* Names of attributes, each with its NUL. */
struct names {
  char few[512];
  struct buf many;
  const char *list;
};

static void names_free(struct names *names) { buf_free(&names->many); }

/* The list may grow between asking for its size and reading it. Returns its length; 0 where attributes are unknown. */
static ssize_t list_names(int dir, const char *name, struct names *names, struct err *err) {
  char *list = names->few;
  size_t room = sizeof names->few;
  for (;;) {
    ssize_t len = list_at(dir, name, list, room);
    names->list = list;
    if (len >= 0) return len;
    if (errno == ENOTSUP) return 0;
    if (errno != ERANGE) return err_sys(err, "llistxattr", name);
    if (buf_reserve(&names->many, room * 2, err) < 0) return -1;
    list = (char *)names->many.data;
    room = names->many.cap;
  }
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Returns 1 when the attribute was appended, 0 when it is gone or not ours to read. */
static int append_value(const char *link, const char *attribute, const char *name, struct buf *out, struct err *err) {
  size_t attribute_len = strlen(attribute), room = 256;
  for (;;) {
    if (buf_reserve(out, 8 + attribute_len + room, err) < 0) return -1;
    uint8_t *at = out->data + out->len;
    ssize_t len = lgetxattr(link, attribute, at + 8 + attribute_len, room);
    if (len >= 0) {
      uint32_t lengths[2] = {(uint32_t)attribute_len, (uint32_t)len};
      memcpy(at, lengths, sizeof lengths);
      memcpy(at + 8, attribute, attribute_len);
      out->len += 8 + attribute_len + (size_t)len;
      return 1;
    }
    if (errno == ENODATA || errno == EPERM) return 0;
    if (errno != ERANGE || room > XATTR_SIZE_MAX) return err_sys(err, "lgetxattr", name);
    room = XATTR_SIZE_MAX + 1;
  }
}

static size_t wanted_names(const char *names, size_t len, const char **wanted) {
  size_t count = 0;
  for (const char *at = names, *end = at + len; at < end; at += strlen(at) + 1)
    if (belongs_to_content(at)) wanted[count++] = at;
  qsort(wanted, count, sizeof *wanted, compare_names);
  return count;
}

int xattr_read(int dir, const char *name, struct buf *out, uint32_t *count, struct err *err) {
  char link[LINK_BYTES];
  struct names names cleanup_with(names_free);
  names.many = (struct buf){0};
  *count = 0;
  ssize_t len = list_names(dir, name, &names, err);
  if (len <= 0) return (int)len;
  link_path(link, dir, name);
  /* An attribute's shortest name is two bytes and its NUL. */
  cleanup_free const char **wanted = malloc(((size_t)len / 2 + 1) * sizeof *wanted);
  if (wanted == NULL) return err_set(err, ENOMEM, "malloc", NULL);
  size_t found = wanted_names(names.list, (size_t)len, wanted);
  for (size_t i = 0; i < found; i++) {
    int appended = append_value(link, wanted[i], name, out, err);
    if (appended < 0) return -1;
    *count += (uint32_t)appended;
  }
  return 0;
}

static bool is_refusal(int code) {
  return code == ENOTSUP || code == EPERM || code == EACCES || code == EINVAL || code == ENOSPC || code == ERANGE ||
         code == E2BIG;
}

int xattr_write(int dir, const char *name, const uint8_t *list, uint32_t count, bool ignore_refused, struct err *err) {
  char link[LINK_BYTES], attribute[NAME_BYTES];
  link_path(link, dir, name);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t lengths[2];
    memcpy(lengths, list, sizeof lengths);
    const uint8_t *value = list + sizeof lengths + lengths[0];
    if (lengths[0] > XATTR_NAME_MAX) return err_set(err, ERANGE, "lsetxattr", name);
    memcpy(attribute, list + sizeof lengths, lengths[0]);
    attribute[lengths[0]] = '\0';
    if (lsetxattr(link, attribute, value, lengths[1], 0) < 0 && !(ignore_refused && is_refusal(errno)))
      return err_detail(err, errno, "lsetxattr", name, attribute);
    list = value + lengths[1];
  }
  return 0;
}

/* "y": what layers below have in the folder is not seen. "x": its files may be whiteouts. */
static int opaque_mark(int dir, const char *name, const char *attribute) {
  char link[LINK_BYTES], value[2];
  link_path(link, dir, name);
  return lgetxattr(link, attribute, value, sizeof value) == 1 && value[0] == 'y' ? MARKS_OPAQUE : MARKS_OTHER;
}

/* That overlayfs may compare with what it was made of, and nothing that is seen. */
static bool is_mere_note(const char *mark) {
  static const char *const notes[] = {"origin", "impure", "nlink", "uuid"};
  for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++)
    if (strcmp(mark, notes[i]) == 0) return true;
  return false;
}

int xattr_overlay_marks(int dir, const char *name, bool userxattr, struct err *err) {
  const char *prefix = userxattr ? "user.overlay." : "trusted.overlay.";
  struct names names cleanup_with(names_free);
  names.many = (struct buf){0};
  int marks = MARKS_NONE;
  ssize_t len = list_names(dir, name, &names, err);
  if (len < 0) return -1;
  for (const char *at = names.list, *end = at + len; at < end; at += strlen(at) + 1) {
    if (!starts_with(at, prefix) || is_mere_note(at + strlen(prefix))) continue;
    int mark = strcmp(at + strlen(prefix), "opaque") == 0 ? opaque_mark(dir, name, at) : MARKS_OTHER;
    if (mark > marks) marks = mark;
  }
  return marks;
}
