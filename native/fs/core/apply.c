#include "apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "contents.h"
#include "copy.h"
#include "mkdirs.h"
#include "ops.h"
#include "remove.h"
#include "resolve.h"
#include "single.h"
#include "xattr.h"

struct applier {
  const struct apply_options *options;
  struct parent dest;
  struct parent from; /* of copied files, below the source root */
  struct parent link; /* of the files that hard links name */
  struct parent twin; /* of files that need no copy; its root is -1 when there are none */
  struct copier copier;
  uid_t uid; /* whom a new file belongs to */
  gid_t gid;
  struct buf *digests;
  bool stale; /* a folder or a link went away: cached folders may no longer be what their text names */
};

/* ---- what is already there ---- */

static int clear(struct applier *applier, const struct op *op, bool is_on_paths, struct err *err) {
  if (remove_entry(applier->dest.fd, applier->dest.name, op->path, err) < 0) return -1;
  if (!is_on_paths) return 0;
  applier->stale = true;
  parent_forget(&applier->link);
  return 0;
}

/* Makes room for something that is no folder, after EEXIST. */
static int make_room(struct applier *applier, const struct op *op, struct err *err) {
  struct stat stat;
  if (op->existing == EXISTING_ERROR) return err_set(err, EEXIST, "apply", op->path);
  if (fstatat(applier->dest.fd, applier->dest.name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT ? 0 : err_sys(err, "fstatat", op->path);
  if (op->existing == EXISTING_COPY && S_ISDIR(stat.st_mode))
    return err_detail(err, EISDIR, "apply", op->path, "a folder is in the way of something that is none");
  return clear(applier, op, S_ISDIR(stat.st_mode) || S_ISLNK(stat.st_mode), err);
}

/* ---- metadata ---- */

static int set_xattrs(struct applier *applier, const struct op *op, struct err *err) {
  if (op->xattr_count == 0) return 0;
  bool ignore = applier->options->ignore_xattr_errors;
  if (xattr_write(applier->dest.fd, applier->dest.name, op->xattrs, op->xattr_count, ignore, err) == 0) return 0;
  return err_detail(err, err->code, err->call, op->path, err->detail);
}

static int set_times(struct applier *applier, const struct op *op, struct err *err) {
  struct timespec times[2] = {op->mtime, op->mtime};
  if (!(op->flags & OP_HAS_MTIME)) return 0;
  int failed = utimensat(applier->dest.fd, applier->dest.name, times, AT_SYMLINK_NOFOLLOW);
  return failed < 0 ? err_sys(err, "utimensat", op->path) : 0;
}

/* Nothing is called that would change nothing: each call is a write to the journal. *mode: bits that are known to be set, ~0 when none are. */
static int set_owner(const struct op *op, int fd, mode_t *mode, struct err *err) {
  struct stat stat;
  if (fstat(fd, &stat) < 0) return err_sys(err, "fstat", op->path);
  *mode = stat.st_mode & 07777;
  if (stat.st_uid == op->uid && stat.st_gid == op->gid) return 0;
  if (fchown(fd, op->uid, op->gid) < 0) return err_owner(err, "fchown", op->path, op->uid, op->gid);
  /* A new owner takes set-id bits from files, not from folders. */
  *mode = (mode_t)~0;
  return 0;
}

/*
 * The order matters: a new owner takes setuid and capabilities away, so attributes and mode come after it; and a mode without write
 * permission would refuse user.* attributes to anyone but root, so it comes last.
 */
static int finish_file(struct applier *applier, const struct op *op, int fd, struct err *err) {
  struct timespec times[2] = {op->mtime, op->mtime};
  mode_t mode = 0, wanted = op->mode & 07777;
  if (set_owner(op, fd, &mode, err) < 0 || set_xattrs(applier, op, err) < 0) return -1;
  if (mode != wanted && fchmod(fd, wanted) < 0) return err_sys(err, "fchmod", op->path);
  return (op->flags & OP_HAS_MTIME) && futimens(fd, times) < 0 ? err_sys(err, "futimens", op->path) : 0;
}

static int finish_other(struct applier *applier, const struct op *op, bool has_mode, struct err *err) {
  int dir = applier->dest.fd;
  const char *name = applier->dest.name;
  if (fchownat(dir, name, op->uid, op->gid, AT_SYMLINK_NOFOLLOW) < 0) return err_owner(err, "fchownat", op->path, op->uid, op->gid);
  if (set_xattrs(applier, op, err) < 0) return -1;
  if (has_mode && fchmodat(dir, name, op->mode & 07777, AT_SYMLINK_NOFOLLOW) < 0)
    return err_sys(err, "fchmodat", op->path);
  return set_times(applier, op, err);
}

/* ---- one function per type of op; the parent folder is open ---- */

/* With its final mode where nobody can read more by that than in the end, and no attribute is refused for it. */
static mode_t first_mode(const struct applier *applier, const struct op *op) {
  bool own = op->uid == applier->uid && op->gid == applier->gid;
  return own && op->xattr_count == 0 ? (op->mode & 0777) | 0600 : 0600;
}

static int create_file(struct applier *applier, const struct op *op, struct err *err) {
  for (bool again = false;; again = true) {
    int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(applier->dest.fd, applier->dest.name, flags, first_mode(applier, op));
    if (fd >= 0) return fd;
    if (errno != EEXIST || again) return err_sys(err, "openat", op->path);
    if (make_room(applier, op, err) < 0) return -1;
  }
}

static int link_twin(struct applier *applier) {
  return linkat(applier->twin.fd, applier->twin.name, applier->dest.fd, applier->dest.name, 0);
}

/* 1: linked; 0: to be copied, whatever the reason (gone, too many links, a file system without them). */
static int try_twin(struct applier *applier, const struct op *op, struct err *err) {
  struct err ignored = ERR_INIT;
  if (!(op->flags & OP_TRY_TWIN) || applier->twin.root < 0) return 0;
  if (parent_open(&applier->twin, op->path, &ignored) < 0) {
    err_free(&ignored);
    return 0;
  }
  if (link_twin(applier) == 0) return 1;
  if (errno != EEXIST) return 0;
  if (make_room(applier, op, err) < 0) return -1;
  return link_twin(applier) == 0;
}

static int apply_copy(struct applier *applier, const struct op *op, struct err *err) {
  struct stat stat;
  uint8_t digest[SHA256_BYTES];
  int twin = try_twin(applier, op, err);
  if (twin != 0) return twin < 0 ? -1 : 0;
  cleanup_fd int from = contents_open(&applier->from, op->argument, &stat, err);
  if (from < 0) return -1;
  cleanup_fd int to = create_file(applier, op, err);
  if (to < 0) return -1;
  if (copier_copy(&applier->copier, from, &stat, to, digest, op->path, err) < 0) return -1;
  if (finish_file(applier, op, to, err) < 0) return -1;
  return applier->options->hash ? buf_append(applier->digests, digest, sizeof digest, err) : 0;
}

static int link_moved(struct applier *applier, const struct op *op) {
  (void)op;
  return linkat(applier->from.fd, applier->from.name, applier->dest.fd, applier->dest.name, 0);
}

/* Across file systems, and where there are no links. */
static int copy_moved(struct applier *applier, const struct op *op, int from, const struct stat *stat, struct err *err) {
  struct copier copier;
  cleanup_fd int to = create_file(applier, op, err);
  if (to < 0) return -1;
  int failed = copier_init(&copier, false, err);
  if (failed == 0) failed = copier_copy(&copier, from, stat, to, NULL, op->path, err);
  copier_free(&copier);
  return failed < 0 ? failed : finish_file(applier, op, to, err);
}

static int remove_moved(struct applier *applier, const struct op *op, struct err *err) {
  return unlinkat(applier->from.fd, applier->from.name, 0) < 0 ? err_sys(err, "unlinkat", op->argument) : 0;
}

/* A link and no rename: that would put itself over what is there. */
static int apply_move(struct applier *applier, const struct op *op, struct err *err) {
  struct stat stat;
  cleanup_fd int from = contents_open(&applier->from, op->argument, &stat, err);
  if (from < 0) return -1;
  bool linked = link_moved(applier, op) == 0;
  if (!linked && errno == EEXIST) {
    if (make_room(applier, op, err) < 0) return -1;
    linked = link_moved(applier, op) == 0;
  }
  if (!linked) return copy_moved(applier, op, from, &stat, err) < 0 ? -1 : remove_moved(applier, op, err);
  return remove_moved(applier, op, err) < 0 ? -1 : finish_file(applier, op, from, err);
}

static int apply_file(struct applier *applier, const struct op *op, struct err *err) {
  cleanup_fd int fd = create_file(applier, op, err);
  if (fd < 0) return -1;
  if (write_all(fd, op->data, op->data_len) < 0) return err_sys(err, "write", op->path);
  return finish_file(applier, op, fd, err);
}

/* Retries `make` once after making room. */
static int place(struct applier *applier, const struct op *op, const char *call,
                 int (*make)(struct applier *, const struct op *), struct err *err) {
  if (make(applier, op) == 0) return 0;
  if (errno != EEXIST) return err_sys(err, call, op->path);
  if (make_room(applier, op, err) < 0) return -1;
  return make(applier, op) == 0 ? 0 : err_sys(err, call, op->path);
}

static int make_symlink(struct applier *applier, const struct op *op) {
  return symlinkat(op->argument, applier->dest.fd, applier->dest.name);
}

static int apply_symlink(struct applier *applier, const struct op *op, struct err *err) {
  if (place(applier, op, "symlinkat", make_symlink, err) < 0) return -1;
  return finish_other(applier, op, false, err);
}

static int make_hardlink(struct applier *applier, const struct op *op) {
  (void)op;
  return linkat(applier->link.fd, applier->link.name, applier->dest.fd, applier->dest.name, 0);
}

/* Replacing a file by a link to itself would remove the only copy. */
static bool is_same_file(struct applier *applier) {
  struct stat a, b;
  return fstatat(applier->link.fd, applier->link.name, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
         fstatat(applier->dest.fd, applier->dest.name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

/* The folders of both are open, so what is missing can only be the file that was named. */
static int link_failed(const struct op *op, struct err *err) {
  return err_sys(err, "linkat", errno == ENOENT ? op->argument : op->path);
}

static int apply_hardlink(struct applier *applier, const struct op *op, struct err *err) {
  if (parent_open(&applier->link, op->argument, err) < 0) return -1;
  if (make_hardlink(applier, op) == 0) return 0;
  if (errno != EEXIST) return link_failed(op, err);
  if (op->existing != EXISTING_ERROR && is_same_file(applier)) return 0;
  struct stat stat;
  if (fstatat(applier->link.fd, applier->link.name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
    return err_sys(err, "fstatat", op->argument);
  if (make_room(applier, op, err) < 0) return -1;
  if (parent_open(&applier->link, op->argument, err) < 0) return -1;
  return make_hardlink(applier, op) == 0 ? 0 : link_failed(op, err);
}

static int make_node(struct applier *applier, const struct op *op) {
  return mknodat(applier->dest.fd, applier->dest.name, (op->mode & S_IFMT) | 0600, makedev(op->major, op->minor));
}

static int apply_node(struct applier *applier, const struct op *op, struct err *err) {
  if (place(applier, op, "mknodat", make_node, err) < 0) return -1;
  return finish_other(applier, op, true, err);
}

/* The other form of the mark, for file systems that take no such device (overlayfs itself, Linux before 5.8 without root). */
static int make_marked_file(struct applier *applier) {
  cleanup_fd int fd =
      openat(applier->dest.fd, applier->dest.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  return fd < 0 ? -1 : fsetxattr(fd, "user.overlay.whiteout", "y", 1, 0);
}

/* Overlayfs' mark of a removed entry: a character device 0:0. */
static int make_whiteout(struct applier *applier, const struct op *op) {
  (void)op;
  if (mknodat(applier->dest.fd, applier->dest.name, S_IFCHR, makedev(0, 0)) == 0) return 0;
  return errno == EPERM ? make_marked_file(applier) : -1;
}

static int apply_whiteout(struct applier *applier, const struct op *op, struct err *err) {
  return place(applier, op, "mknodat", make_whiteout, err);
}

static int apply_opaque(struct applier *applier, const struct op *op, struct err *err) {
  const char *attribute = op->flags & OP_USERXATTR ? "user.overlay.opaque" : "trusted.overlay.opaque";
  cleanup_fd int fd = openat(applier->dest.fd, applier->dest.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return err_sys(err, "openat", op->path);
  if (fsetxattr(fd, attribute, "y", 1, 0) == 0) return 0;
  if (errno != EPERM && errno != EOPNOTSUPP) return err_sys(err, "fsetxattr", op->path);
  return fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) < 0 ? err_sys(err, "fsetxattr", op->path) : 0;
}

static int apply_remove(struct applier *applier, const struct op *op, struct err *err) {
  return clear(applier, op, true, err);
}

/* ---- folders ---- */

static int set_folder(struct applier *applier, const struct op *op, struct err *err) {
  cleanup_fd int fd = openat(applier->dest.fd, applier->dest.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0) return finish_file(applier, op, fd, err);
  return errno == EACCES ? finish_other(applier, op, true, err) : err_sys(err, "openat", op->path);
}

static int replace_by_folder(struct applier *applier, const struct op *op, struct err *err) {
  if (clear(applier, op, true, err) < 0) return -1;
  if (mkdirat(applier->dest.fd, applier->dest.name, 0700) < 0) return err_sys(err, "mkdirat", op->path);
  return set_folder(applier, op, err);
}

static int apply_folder(struct applier *applier, const struct op *op, struct err *err) {
  struct stat stat;
  if (mkdirat(applier->dest.fd, applier->dest.name, 0700) == 0) return set_folder(applier, op, err);
  if (errno != EEXIST || op->existing == EXISTING_ERROR) return err_sys(err, "mkdirat", op->path);
  if (fstatat(applier->dest.fd, applier->dest.name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
    return err_sys(err, "fstatat", op->path);
  if (S_ISDIR(stat.st_mode)) return op->existing == EXISTING_KEEP ? 0 : set_folder(applier, op, err);
  if (op->existing == EXISTING_REPLACE) return replace_by_folder(applier, op, err);
  return err_detail(err, ENOTDIR, "apply", op->path, "something that is no folder is in the way of one");
}

/* ---- the batch ---- */

static int apply_existing(struct applier *applier, const struct op *op, struct err *err) {
  return op->type == OP_OPAQUE ? apply_opaque(applier, op, err) : set_times(applier, op, err);
}

static int dispatch(struct applier *applier, const struct op *op, struct err *err) {
  switch (op->type) {
    case OP_FOLDER: return apply_folder(applier, op, err);
    case OP_COPY: return apply_copy(applier, op, err);
    case OP_FILE: return apply_file(applier, op, err);
    case OP_SYMLINK: return apply_symlink(applier, op, err);
    case OP_HARDLINK: return apply_hardlink(applier, op, err);
    case OP_NODE: return apply_node(applier, op, err);
    case OP_WHITEOUT: return apply_whiteout(applier, op, err);
    case OP_REMOVE: return apply_remove(applier, op, err);
    case OP_MOVE: return apply_move(applier, op, err);
    default: return apply_existing(applier, op, err);
  }
}

int applier_perform(struct applier *applier, const struct op *op, struct err *err) {
  if (applier->stale) parent_forget(&applier->dest);
  applier->stale = false;
  int opened = op->flags & OP_MAKE_PARENTS ? parent_make(&applier->dest, op->path, err)
                                           : parent_open(&applier->dest, op->path, err);
  if (opened == 0) return dispatch(applier, op, err);
  /* What has no folder is not there to be removed. */
  return op->type == OP_REMOVE && (err->code == ENOENT || err->code == ENOTDIR) ? 0 : -1;
}

struct applier *applier_new(int root, int source, int twins, const struct apply_options *options, struct buf *digests,
                            struct err *err) {
  struct applier *applier = calloc(1, sizeof *applier);
  if (applier == NULL) {
    err_set(err, ENOMEM, "calloc", NULL);
    return NULL;
  }
  *applier = (struct applier){.options = options, .digests = digests, .uid = geteuid(), .gid = getegid()};
  parent_init(&applier->dest, root, options->real_folders ? LINKS_REFUSE : LINKS_FOLLOW);
  parent_init(&applier->link, root, LINKS_FOLLOW);
  parent_init(&applier->from, source, LINKS_REFUSE);
  parent_init(&applier->twin, twins, LINKS_REFUSE);
  if (copier_init(&applier->copier, options->hash, err) < 0) applier_free(&applier);
  return applier;
}

int applier_begin_file(struct applier *applier, const struct op *op, struct err *err) {
  return parent_open(&applier->dest, op->path, err) < 0 ? -1 : create_file(applier, op, err);
}

int applier_end_file(struct applier *applier, const struct op *op, int fd, struct err *err) {
  return finish_file(applier, op, fd, err);
}

void applier_forget(struct applier *applier) {
  parent_forget(&applier->dest);
  parent_forget(&applier->link);
}

void applier_free(struct applier **applier) {
  if (*applier == NULL) return;
  copier_free(&(*applier)->copier);
  parent_free(&(*applier)->dest);
  parent_free(&(*applier)->link);
  parent_free(&(*applier)->from);
  parent_free(&(*applier)->twin);
  free(*applier);
  *applier = NULL;
}

static int apply_all(struct applier *applier, struct ops *ops, struct err *err) {
  struct op op;
  for (uint32_t i = 0; i < ops->count; i++) {
    if (ops_next(ops, &op, err) == 0 && applier_perform(applier, &op, err) == 0) continue;
    err->index = i;
    return -1;
  }
  return 0;
}

int apply_ops(int root, int source, const uint8_t *bytes, size_t len, const struct apply_options *options,
              struct buf *digests, struct err *err) {
  struct ops ops;
  if (ops_check(bytes, len, err) < 0 || ops_open(&ops, bytes, len, err) < 0) return -1;
  struct applier *applier = applier_new(root, source, -1, options, digests, err);
  if (applier == NULL) return -1;
  int failed = apply_all(applier, &ops, err);
  applier_free(&applier);
  return failed;
}
