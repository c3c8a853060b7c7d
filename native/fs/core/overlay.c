#include "overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "buf.h"
#include "cleanup.h"

/* fsconfig takes no longer string (fs/fsopen.c: 256 with the NUL). */
enum { OPTION_MAX = 255 };

/* The C library has these only since glibc 2.36. */
static int sys_fsconfig(int fs, unsigned command, const char *key, const char *value) {
  return (int)syscall(SYS_fsconfig, fs, command, key, value, 0);
}

static int sys_open_tree(const char *path) {
  return (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

static int sys_set_read_only(int mount) {
  struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
  return (int)syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH, &attr, sizeof attr);
}

struct context {
  int fs;
  struct buf folders; /* descriptors (int) of the folders, open until the mount is made */
  bool at_once;       /* lower folders in one string */
};

/* Reads what the kernel said about the failure, e.g. "e overlay: …"; one message a read. */
static int fail(struct context *context, int code, const char *call, const char *path, struct err *err) {
  char message[sizeof err->detail];
  ssize_t len = read(context->fs, message, sizeof message - 1);
  if (len < 0) len = 0;
  while (len > 0 && message[len - 1] == '\n') len--;
  message[len] = '\0';
  return err_detail(err, code, call, path, len > 2 && message[1] == ' ' ? message + 2 : message);
}

static int set_string(struct context *context, const char *key, const char *value, struct err *err) {
  if (sys_fsconfig(context->fs, FSCONFIG_SET_STRING, key, value) == 0) return 0;
  return fail(context, errno, "fsconfig", value, err);
}

static int set_flag(struct context *context, const char *key, struct err *err) {
  if (sys_fsconfig(context->fs, FSCONFIG_SET_FLAG, key, NULL) == 0) return 0;
  return fail(context, errno, "fsconfig", key, err);
}

/* Another name for a folder, always short and free of separators: "/proc/self/fd/N". */
static int short_name(struct context *context, const char *path, char *out, size_t size, struct err *err) {
  int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return err_sys(err, "open", path);
  if (buf_append(&context->folders, &fd, sizeof fd, err) < 0) {
    close(fd);
    return -1;
  }
  snprintf(out, size, "/proc/self/fd/%d", fd);
  return 0;
}

/*
 * Never the path itself: whoever is in the mount reads the options in /proc/self/mounts, and where layers lie on the host is nobody's
 * business there. It also may be too long, and the kernel takes backslashes out of upper and work folders but not of lower ones.
 */
static int set_folder(struct context *context, const char *key, const char *path, struct err *err) {
  char name[64];
  if (short_name(context, path, name, sizeof name, err) < 0) return -1;
  return set_string(context, key, name, err);
}

/* Kernels before 6.8 take all lower folders in one string. */
static int set_lowers_at_once(struct context *context, const struct overlay *overlay, struct err *err) {
  char joined[OPTION_MAX + 1], name[64];
  size_t len = 0;
  for (size_t i = 0; i < overlay->lower_count; i++) {
    if (short_name(context, overlay->lowers[i], name, sizeof name, err) < 0) return -1;
    int more = snprintf(joined + len, sizeof joined - len, "%s%s", i == 0 ? "" : ":", name);
    if (len + (size_t)more > OPTION_MAX)
      return err_detail(err, E2BIG, "fsconfig", overlay->lowers[i], "this many lower folders need Linux 6.8 or newer");
    len += (size_t)more;
  }
  return set_string(context, "lowerdir", joined, err);
}

static int set_lowers(struct context *context, const struct overlay *overlay, struct err *err) {
  if (context->at_once) return set_lowers_at_once(context, overlay, err);
  for (size_t i = 0; i < overlay->lower_count; i++) {
    if (set_folder(context, "lowerdir+", overlay->lowers[i], err) == 0) continue;
    /* Linux 6.5 to 6.7 know no "lowerdir+": EINVAL, at the first one, without naming a folder's fault. */
    if (i > 0 || err->code != EINVAL || access(overlay->lowers[i], F_OK) < 0) return -1;
    return set_lowers_at_once(context, overlay, err);
  }
  return 0;
}

/*
 * Copies in `upper` must stand for themselves: they are read without the lower folders when a layer is made (B024). "nofollow" makes no
 * redirects, as "off" does, and believes none either, which a hostile layer may bring; it is also all that goes with userxattr.
 */
static int set_features(struct context *context, const struct overlay *overlay, struct err *err) {
  static const char *const off[] = {"metacopy", "index", "xino"};
  if (set_string(context, "redirect_dir", "nofollow", err) < 0) return -1;
  if (overlay->userxattr && set_flag(context, "userxattr", err) < 0) return -1;
  for (size_t i = 0; i < sizeof off / sizeof *off; i++)
    if (set_string(context, off[i], "off", err) < 0) return -1;
  return overlay->volatile_upper && overlay->upper != NULL ? set_flag(context, "volatile", err) : 0;
}

static int set_upper(struct context *context, const struct overlay *overlay, struct err *err) {
  if (overlay->upper == NULL) return 0;
  if (overlay->work == NULL) return err_detail(err, EINVAL, "fsconfig", overlay->upper, "no work folder is given");
  if (set_folder(context, "upperdir", overlay->upper, err) < 0) return -1;
  return set_folder(context, "workdir", overlay->work, err);
}

static int configure(struct context *context, const struct overlay *overlay, struct err *err) {
  if (set_string(context, "source", "overlay", err) < 0) return -1;
  if (set_features(context, overlay, err) < 0) return -1;
  if (set_lowers(context, overlay, err) < 0 || set_upper(context, overlay, err) < 0) return -1;
  if (sys_fsconfig(context->fs, FSCONFIG_CMD_CREATE, NULL, NULL) == 0) return 0;
  return fail(context, errno, "fsconfig", overlay->upper, err);
}

static int mount_layers(struct context *context, const struct overlay *overlay, struct err *err) {
  context->fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
  if (context->fs < 0) return err_sys(err, "fsopen", "overlay");
  if (configure(context, overlay, err) < 0) return -1;
  unsigned attributes = overlay->upper == NULL ? MOUNT_ATTR_RDONLY : 0;
  int fd = (int)syscall(SYS_fsmount, context->fs, FSMOUNT_CLOEXEC, attributes);
  return fd < 0 ? fail(context, errno, "fsmount", overlay->upper, err) : fd;
}

static void context_free(struct context *context) {
  int fd;
  for (size_t at = 0; at + sizeof fd <= context->folders.len; at += sizeof fd) {
    memcpy(&fd, context->folders.data + at, sizeof fd);
    close(fd);
  }
  buf_free(&context->folders);
  cleanup_close(&context->fs);
}

static int clone_folder(const char *path, bool read_only, struct err *err) {
  cleanup_fd int fd = sys_open_tree(path);
  if (fd < 0) return err_sys(err, "open_tree", path);
  if (read_only && sys_set_read_only(fd) < 0) return err_sys(err, "mount_setattr", path);
  return take_fd(&fd);
}

int overlay_mount(const struct overlay *overlay, struct err *err) {
  if (overlay->lower_count == 0 && overlay->upper == NULL)
    return err_detail(err, EINVAL, "mountOverlay", NULL, "neither lower folders nor an upper one are given");
  if (overlay->lower_count == 0) return clone_folder(overlay->upper, false, err);
  if (overlay->lower_count == 1 && overlay->upper == NULL) return clone_folder(overlay->lowers[0], true, err);
  struct context context cleanup_with(context_free) = {.fs = -1};
  int fd = mount_layers(&context, overlay, err);
  if (fd >= 0 || err->code != EINVAL || err->detail[0] != '\0') return fd;
  /* Before 6.5 each option is taken as it comes, and one that overlayfs does not know fails the mount, to which nothing is said. */
  struct context older cleanup_with(context_free) = {.fs = -1, .at_once = true};
  return mount_layers(&older, overlay, err);
}
