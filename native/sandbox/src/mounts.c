/* The operations on mounts: everything is made detached, dressed, and moved into place with its attributes already on. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "mounts.h"
#include "nodes.h"
#include "resolve.h"
#include "sandbox.h"
#include "sys.h"

#ifndef MS_REC
#define MS_REC 16384
#define MS_PRIVATE (1 << 18)
#endif

/* Flags of `tree` and `bind`. */
#define TREE_RECURSIVE 1
#define BIND_MAKE_MOUNT_POINT 1
#define HOST_TREE_MAKE_MOUNT_POINT 2
#define HOST_TREE_OPTIONAL 4

/* Adds attributes to a mount and cuts it off from its peers, so that nothing mounted on the host later appears inside. */
static int set_attrs(int mount, uint64_t attrs, unsigned flags, struct err *err, const char *text) {
  struct mount_attr attr = {.attr_set = attrs, .propagation = MS_PRIVATE};
  if (sys_mount_setattr(mount, AT_EMPTY_PATH | flags, &attr) < 0) return fail(err, "mount_setattr", text);
  return 0;
}

int move_onto(int mount, int target, const char *dest, struct err *err) {
  return sys_move_mount(mount, target) < 0 ? fail(err, "move_mount", dest) : 0;
}

static int move_to(const struct sandbox *sb, int mount, const char *dest, struct err *err) {
  int target = open_target(sb, dest, err);
  if (target < 0) return -1;
  int result = move_onto(mount, target, dest, err);
  close(target);
  return result;
}

/* One option, "key=value" or "flag". The plan is ours to write to: the sign is put back after the call. */
static int configure(int fs, char *option) {
  char *sign = strchr(option, '=');
  if (sign == NULL) return sys_fsconfig(fs, FSCONFIG_SET_FLAG, option, NULL);
  *sign = '\0';
  int result = sys_fsconfig(fs, FSCONFIG_SET_STRING, option, sign + 1);
  *sign = '=';
  return result;
}

/* A detached mount of a new file system. */
static int new_mount(const char *type, char *const *options, uint64_t attrs, struct err *err) {
  int fs = sys_fsopen(type);
  if (fs < 0) return fail(err, "fsopen", type);
  int mount = -1;
  for (; *options != NULL; options++) {
    if (configure(fs, *options) < 0) {
      fail(err, "fsconfig", *options);
      goto done;
    }
  }
  if (sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
    fail(err, "fsconfig", type);
  else if ((mount = sys_fsmount(fs, (unsigned)attrs)) < 0)
    fail(err, "fsmount", type);
done:
  close(fs);
  return mount;
}

int op_mount(struct sandbox *sb, const struct op *op, struct err *err) {
  int mount = new_mount(op->arg[0].data.bytes, op->arg[1].list.items, op->arg[3].number, err);
  if (mount < 0) return -1;
  int result = move_to(sb, mount, op->arg[2].data.bytes, err);
  close(mount);
  return result;
}

int clone_tree(int fd, unsigned recursive, uint64_t attrs, const char *text, struct err *err) {
  int tree = sys_open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
  if (tree < 0) return fail(err, "open_tree", text);
  if (set_attrs(tree, attrs, recursive, err, text) == 0) return tree;
  close(tree);
  return -1;
}

/*
 * Before 6.15 the kernel clones only mounts that are attached in the caller's own namespace. A detached one is then attached
 * first, somewhere on the old root, which goes away with all its mounts at `enter_root`. What it hides there no longer matters, but to
 * a runtime that is yet to be started, and to `host_tree`, which takes from /proc, /sys and /dev.
 */
static int attach_aside(const struct sandbox *sb, int fd) {
  const char *const places[] = {sb->aside, "/tmp", "/usr", "/etc", "/var", "/bin"};
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    if (places[i] == NULL) continue;
    if (syscall(SYS_move_mount, fd, "", AT_FDCWD, places[i], MOVE_MOUNT_F_EMPTY_PATH) == 0) return 0;
    if (i == 0) return -1;
  }
  return -1;
}

static int make_private(struct err *err) {
  struct mount_attr private = {.propagation = MS_PRIVATE};
  if (syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &private, sizeof private) < 0)
    return fail(err, "mount_setattr", "/");
  return 0;
}

int op_private_mounts(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)op;
  if (sb->report < 0) return fail_with(err, EINVAL, "mount_setattr", "private mounts before clone");
  return make_private(err);
}

/* Names of the host lead into what is put on "/" from then on; `host_tree` starts from below it. */
static int keep_host(struct sandbox *sb, struct err *err) {
  if (sb->host < 0) sb->host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  return sb->host < 0 ? fail(err, "open", "/") : 0;
}

static int make_staged(char *const *folders, struct err *err) {
  char size[] = "size=64k", mode[] = "mode=755";
  char *const options[] = {size, mode, NULL};
  int mount = new_mount("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
  if (mount < 0) return -1;
  for (; *folders != NULL; folders++) {
    if (mkdirat(mount, *folders + strspn(*folders, "/"), 0755) == 0) continue;
    fail(err, "mkdirat", *folders);
    close(mount);
    return -1;
  }
  return mount;
}

int op_stage(struct sandbox *sb, const struct op *op, struct err *err) {
  if (sb->report < 0 || sb->root >= 0) return fail_with(err, EINVAL, "stage", "before clone, or with a root");
  if (make_private(err) < 0 || keep_host(sb, err) < 0) return -1;
  sb->root = make_staged(op->arg[0].list.items, err);
  if (sb->root < 0) return -1;
  /* Not on "/": it would be on top of the old root there, and be what `enter_root` detaches in its place. */
  return attach_aside(sb, sb->root) < 0 ? fail(err, "move_mount", "staged root") : 0;
}

int op_adopt(struct sandbox *sb, const struct op *op, struct err *err) {
  const char *path = op->arg[0].data.bytes;
  if (sb->staged < 0) return fail_with(err, EINVAL, "move_mount", "nothing was staged");
  int staged = open_beneath(sb->staged, path, err);
  if (staged < 0) return -1;
  int result = move_to(sb, staged, path, err);
  close(staged);
  return result;
}

int op_root(struct sandbox *sb, const struct op *op, struct err *err) {
  if (make_private(err) < 0) return -1;
  int mount = plan_fd(&op->arg[0]);
  sb->staged = sb->root;
  /* A clone, as attributes would stay on the caller's own mount: it still tidies up behind a read-only root. */
  sb->root = clone_tree(mount, 0, op->arg[1].number, "root", err);
  if (sb->root < 0 && err->errnum == EINVAL && attach_aside(sb, mount) == 0)
    sb->root = clone_tree(mount, 0, op->arg[1].number, "root", err);
  if (sb->root < 0 || keep_host(sb, err) < 0) return -1;
  /* On top of "/": the one folder that surely exists; pivot_root takes it from there. */
  if (syscall(SYS_move_mount, sb->root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
    return fail(err, "move_mount", "/");
  return 0;
}

static int clone_source(int source, const struct op *op, struct err *err) {
  unsigned recursive = (op->arg[3].number & TREE_RECURSIVE) ? AT_RECURSIVE : 0;
  return clone_tree(source, recursive, op->arg[2].number, op->arg[1].data.bytes, err);
}

int op_tree(struct sandbox *sb, const struct op *op, struct err *err) {
  if (sb->report >= 0) return fail_with(err, EINVAL, "open_tree", "tree after clone");
  if (sb->tree_count == MAX_TREES) return fail_with(err, E2BIG, "open_tree", "too many trees");
  int source = open_beneath(plan_fd(&op->arg[0]), op->arg[1].data.bytes, err);
  if (source < 0) return -1;
  struct tree *tree = &sb->trees[sb->tree_count++];
  tree->pending = NULL;
  tree->fd = clone_source(source, op, err);
  if (tree->fd >= 0) return close(source);
  if (err->errnum != EINVAL) return -1;
  /* A detached mount on an older kernel: PID 1 attaches it in its own namespace, never in the host's. */
  tree->fd = source;
  tree->pending = op;
  return 0;
}

static int finish_tree(const struct sandbox *sb, struct tree *tree, struct err *err) {
  if (tree->pending == NULL) return 0;
  const struct op *op = tree->pending;
  int clone = -1;
  if (attach_aside(sb, plan_fd(&op->arg[0])) < 0) return fail(err, "move_mount", op->arg[1].data.bytes);
  if ((clone = clone_source(tree->fd, op, err)) < 0) return -1;
  close(tree->fd);
  *tree = (struct tree){.fd = clone};
  return 0;
}

/* Mount points inside other mounts are made here, of the tree's type; those in the root itself must exist. */
static int bind_target(const struct sandbox *sb, int tree, const char *dest, bool make, struct err *err) {
  struct stat st;
  if (make) {
    if (fstat(tree, &st) < 0) return fail(err, "fstat", dest);
    if (make_mount_point(sb, dest, !S_ISDIR(st.st_mode), err) < 0) return -1;
  }
  return open_target(sb, dest, err);
}

int op_bind(struct sandbox *sb, const struct op *op, struct err *err) {
  if (op->arg[0].number >= sb->tree_count) return fail_with(err, EINVAL, "move_mount", "no such tree");
  struct tree *tree = &sb->trees[op->arg[0].number];
  if (finish_tree(sb, tree, err) < 0) return -1;
  bool make = (op->arg[2].number & BIND_MAKE_MOUNT_POINT) != 0;
  int target = bind_target(sb, tree->fd, op->arg[1].data.bytes, make, err);
  if (target < 0) return -1;
  int result = move_onto(tree->fd, target, op->arg[1].data.bytes, err);
  close(target);
  return result;
}

int op_host_tree(struct sandbox *sb, const struct op *op, struct err *err) {
  const char *source = op->arg[0].data.bytes, *dest = op->arg[1].data.bytes;
  if (sb->report < 0 || sb->host < 0) return fail_with(err, EINVAL, "open_tree", "host_tree outside of clone and enter_root");
  int fd = openat(sb->host, source + strspn(source, "/"), O_PATH | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT && (op->arg[3].number & HOST_TREE_OPTIONAL) ? 0 : fail(err, "open", source);
  unsigned recursive = (op->arg[3].number & TREE_RECURSIVE) ? AT_RECURSIVE : 0;
  int tree = clone_tree(fd, recursive, op->arg[2].number, source, err);
  close(fd);
  if (tree < 0) return -1;
  bool make = (op->arg[3].number & HOST_TREE_MAKE_MOUNT_POINT) != 0;
  int target = bind_target(sb, tree, dest, make, err);
  int result = target < 0 ? -1 : move_onto(tree, target, dest, err);
  if (target >= 0) close(target);
  close(tree);
  return result;
}

int op_pin(struct sandbox *sb, const struct op *op, struct err *err) {
  const char *path = op->arg[0].data.bytes;
  int target = open_in_root(sb, path, err);
  if (target < 0) return (op->arg[2].number & 1) && err->errnum == ENOENT ? 0 : -1;
  int result = -1;
  int tree = clone_tree(target, AT_RECURSIVE, op->arg[1].number, path, err);
  if (tree >= 0) {
    result = move_onto(tree, target, path, err);
    close(tree);
  }
  close(target);
  return result;
}

/*
 * The null device and nothing else: an image or mount that puts a link at /dev/null would choose what appears, writable, at every
 * masked path (CVE-2025-31133).
 */
static int open_null(const struct sandbox *sb, struct err *err) {
  struct stat st;
  int null = sys_openat2(sb->root, "/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC, RESOLVE_INSIDE);
  if (null < 0) return fail(err, "openat2", "/dev/null");
  if (fstat(null, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) return null;
  close(null);
  return fail_with(err, EPERM, "mask", "/dev/null is not the null device");
}

/* What hides a path: an empty folder or the null device, by the type of what is hidden. */
static int cover_for(const struct sandbox *sb, int target, const char *path, struct err *err) {
  char size[] = "size=0k", mode[] = "mode=755";
  char *const options[] = {size, mode, NULL};
  struct stat st;
  if (fstat(target, &st) < 0) return fail(err, "fstat", path);
  if (S_ISDIR(st.st_mode))
    return new_mount("tmpfs", options, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
  int null = open_null(sb, err);
  if (null < 0) return -1;
  int tree = clone_tree(null, 0, 0, path, err);
  close(null);
  return tree;
}

int op_mask(struct sandbox *sb, const struct op *op, struct err *err) {
  const char *path = op->arg[0].data.bytes;
  int target = open_in_root(sb, path, err);
  if (target < 0) return err->errnum == ENOENT ? 0 : -1;
  int result = -1;
  int cover = cover_for(sb, target, path, err);
  if (cover >= 0) {
    result = move_onto(cover, target, path, err);
    close(cover);
  }
  close(target);
  return result;
}

int op_mount_attr(struct sandbox *sb, const struct op *op, struct err *err) {
  const char *path = op->arg[0].data.bytes;
  int target = open_in_root(sb, path, err);
  if (target < 0) return -1;
  int result = set_attrs(target, op->arg[1].number, 0, err, path);
  close(target);
  return result;
}

int keep_report_only(struct sandbox *sb, struct err *err) {
  int report = 3;
  if (sb->report != report && dup3(sb->report, report, O_CLOEXEC) < 0) return fail(err, "dup3", "report");
  sb->report = report;
  sb->root = sb->staged = sb->host = -1;
  int last = report;
  if (sb->user_namespace >= 0) {
    last++;
    if (sb->user_namespace != last && dup3(sb->user_namespace, last, O_CLOEXEC) < 0)
      return fail(err, "dup3", "user namespace");
    sb->user_namespace = last;
  }
  return sys_close_range(last + 1, ~0u, 0) < 0 ? fail(err, "close_range", "") : 0;
}

int op_enter_root(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)op;
  if (sb->root < 0 || sb->report < 0) return fail_with(err, EINVAL, "pivot_root", "the root is not mounted yet");
  if (fchdir(sb->root) < 0) return fail(err, "fchdir", "root");
  /* The old root ends up on top of the new one at "/", where "." still means the new one's parent: one lazy umount removes it. */
  if (sys_pivot_root(".", ".") < 0) return fail(err, "pivot_root", "root");
  if (sys_umount2(".", 2 /* MNT_DETACH */) < 0) return fail(err, "umount2", "old root");
  if (chdir("/") < 0) return fail(err, "chdir", "/");
  return keep_report_only(sb, err);
}
