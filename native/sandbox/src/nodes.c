/* The operations that make folders, files, devices and links in the new root's own file systems. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "nodes.h"
#include "resolve.h"
#include "sandbox.h"
#include "sys.h"

int op_mkdir(struct sandbox *sb, const struct op *op, struct err *err) {
  const char *path = op->arg[0].data.bytes, *name = NULL;
  int parent = open_parent(sb, path, &name, err);
  if (parent < 0) return -1;
  int result = mkdirat(parent, name, (mode_t)op->arg[1].number) < 0 ? fail(err, "mkdirat", path) : 0;
  close(parent);
  return result;
}

int op_mknod(struct sandbox *sb, const struct op *op, struct err *err) {
  const char *path = op->arg[0].data.bytes, *name = NULL;
  int parent = open_parent(sb, path, &name, err);
  if (parent < 0) return -1;
  dev_t device = makedev((unsigned)op->arg[2].number, (unsigned)op->arg[3].number);
  int result = mknodat(parent, name, (mode_t)op->arg[1].number, device) < 0 ? fail(err, "mknodat", path) : 0;
  close(parent);
  return result;
}

int op_symlink(struct sandbox *sb, const struct op *op, struct err *err) {
  const char *path = op->arg[1].data.bytes, *name = NULL;
  int parent = open_parent(sb, path, &name, err);
  if (parent < 0) return -1;
  int result = symlinkat(op->arg[0].data.bytes, parent, name) < 0 ? fail(err, "symlinkat", path) : 0;
  close(parent);
  return result;
}

/* Makes one entry of a mount point's path unless something is there already. */
static int make_entry(const struct sandbox *sb, const char *path, int is_file, struct err *err) {
  const char *name = NULL;
  int there = open_in_root(sb, path, err);
  if (there >= 0) return close(there);
  if (err->errnum != ENOENT) return -1;
  int parent = open_parent(sb, path, &name, err);
  if (parent < 0) return -1;
  /* Neither call follows a dangling link at `name`: EEXIST then. */
  int made = is_file ? mknodat(parent, name, S_IFREG | 0644, 0) : mkdirat(parent, name, 0755);
  int result = made < 0 ? fail(err, is_file ? "mknodat" : "mkdirat", path) : 0;
  close(parent);
  return result;
}

int make_mount_point(const struct sandbox *sb, const char *dest, int is_file, struct err *err) {
  char path[PATH_MAX];
  size_t size = strlen(dest);
  if (size == 0 || size >= sizeof path) return fail_with(err, ENAMETOOLONG, "mkdirat", dest);
  memcpy(path, dest, size + 1);
  for (size_t i = 1; i < size; i++) {
    if (path[i] != '/') continue;
    path[i] = '\0';
    if (make_entry(sb, path, 0, err) < 0) return -1;
    path[i] = '/';
  }
  return make_entry(sb, path, is_file, err);
}

int op_mount_point(struct sandbox *sb, const struct op *op, struct err *err) {
  return make_mount_point(sb, op->arg[0].data.bytes, op->arg[1].number == 1, err);
}
