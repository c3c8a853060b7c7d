/* The operations that give the command a terminal of its own: the caller's never gets into the sandbox. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mounts.h"
#include "nodes.h"
#include "resolve.h"
#include "report.h"
#include "sandbox.h"
#include "sys.h"

/* Opens both ends of a new terminal in the sandbox's own devpts, or in the machine's where there is no other; the slave by its master,
 * never by a name. */
static int open_pair(const struct sandbox *sb, int *master, struct err *err) {
  int unlocked = 0, dir = sb->root < 0 ? open("/dev/pts", O_PATH | O_DIRECTORY | O_CLOEXEC) : open_in_root(sb, "/dev/pts", err);
  if (dir < 0) return sb->root < 0 ? fail(err, "open", "/dev/pts") : -1;
  *master = openat(dir, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
  /* The machine's devpts may keep its own from everybody (mode 000) and leave the work to the device of old. */
  if (*master < 0 && sb->root < 0) *master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (*master < 0) fail(err, "open", "/dev/pts/ptmx");
  close(dir);
  if (*master < 0) return -1;
  if (ioctl(*master, TIOCSPTLCK, &unlocked) < 0) return fail(err, "ioctl", "TIOCSPTLCK");
  int slave = ioctl(*master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  return slave < 0 ? fail(err, "ioctl", "TIOCGPTPEER") : slave;
}

/* The first size is there before the command is; later ones come by way of the supervisor. */
static void copy_size(int slave) {
  struct winsize size;
  if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) ioctl(slave, TIOCSWINSZ, &size);
}

static int bind_console(const struct sandbox *sb, int slave, struct err *err) {
  if (make_mount_point(sb, "/dev/console", 1, err) < 0) return -1;
  int target = open_in_root(sb, "/dev/console", err);
  int tree = target < 0 ? -1 : clone_tree(slave, 0, 0, "/dev/console", err);
  int result = tree < 0 ? -1 : move_onto(tree, target, "/dev/console", err);
  if (tree >= 0) close(tree);
  if (target >= 0) close(target);
  return result;
}

int op_console(struct sandbox *sb, const struct op *op, struct err *err) {
  struct report report = {.kind = REPORT_CONSOLE};
  int master = -1;
  if (sb->report < 0) return fail_with(err, EINVAL, "console", "console before clone");
  int slave = open_pair(sb, &master, err);
  if (slave < 0) return -1;
  if (fchown(slave, (uid_t)op->arg[0].number, (gid_t)-1) < 0) return fail(err, "fchown", "terminal");
  copy_size(slave);
  if (report_send(sb->report, &report, master) < 0) return fail(err, "sendmsg", "terminal");
  close(master);
  if (sb->root >= 0 && bind_console(sb, slave, err) < 0) return -1;
  /* Already here: the caller's terminal is not to be open any more when paths of the image are looked up. */
  for (int i = 0; i <= STDERR_FILENO; i++) {
    if (dup2(slave, i) < 0) return fail(err, "dup2", "terminal");
  }
  return close(slave);
}

int op_terminal(struct sandbox *sb, const struct op *op, struct err *err) {
  (void)sb, (void)op;
  if (setsid() < 0) return fail(err, "setsid", "");
  return ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0 ? fail(err, "ioctl", "TIOCSCTTY") : 0;
}
