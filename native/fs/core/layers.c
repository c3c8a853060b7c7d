#include "layers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "xattr.h"

/* How much of a path one layer has. */
struct descent {
  size_t depth;   /* names that are there */
  bool is_whole;  /* all of them */
  bool is_file;
  bool is_opaque; /* a folder on the way hides those below */
  bool is_special;
};

/* The next name of a path; false at its end. Names that are no entry of a folder, or too long for one, make the path special. */
static bool next_name(const char **path, char name[NAME_MAX + 1], struct descent *here) {
  size_t len = strcspn(*path, "/");
  if (**path == '\0') return false;
  if (len == 0 || len > NAME_MAX) return here->is_special = true, false;
  memcpy(name, *path, len);
  name[len] = '\0';
  if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return here->is_special = true, false;
  *path += len;
  if (**path == '/') (*path)++;
  return true;
}

/* An entry that was found: only a folder leads on. Returns -1 when its attributes cannot be read. */
static int judge(int dir, int fd, const char *name, bool is_last, bool userxattr, struct descent *here, struct err *err) {
  struct stat stat;
  if (fstat(fd, &stat) < 0) return err_sys(err, "fstat", name);
  bool is_folder = S_ISDIR(stat.st_mode);
  if (!is_folder && !(S_ISREG(stat.st_mode) && is_last)) return here->is_special = true, 0;
  int marks = xattr_overlay_marks(dir, name, userxattr, err);
  if (marks < 0) return -1;
  if (marks == MARKS_OPAQUE && is_folder) here->is_opaque = true;
  else if (marks != MARKS_NONE) here->is_special = true;
  here->depth++;
  here->is_whole = is_last;
  here->is_file = !is_folder;
  return 0;
}

static int descend(int folder, const char *path, bool userxattr, struct descent *here, struct err *err) {
  cleanup_fd int owned = -1;
  char name[NAME_MAX + 1];
  int dir = folder;
  *here = (struct descent){.is_whole = *path == '\0'};
  while (!here->is_special && next_name(&path, name, here)) {
    int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? 0 : err_sys(err, "openat", name);
    int judged = judge(dir, fd, name, *path == '\0', userxattr, here, err);
    cleanup_close(&owned);
    owned = dir = fd;
    if (judged < 0) return -1;
  }
  return 0;
}

int layers_find(const int *folders, size_t count, const struct layers_query *query, size_t *layer, struct err *err) {
  size_t depth = 0;
  *layer = 0;
  for (size_t i = 0; i < count; i++) {
    struct descent here;
    if (descend(folders[i], query->path, query->userxattr, &here, err) < 0) return -1;
    /* A layer below the one that was found may have more of the path, or a file in place of a folder. */
    if (here.is_special || (depth > 0 && here.depth > depth)) return 0;
    if (depth == 0 && here.depth > 0) {
      depth = here.depth;
      *layer = i;
    }
    if (here.is_opaque || here.is_whole) return here.is_file || !query->wants_file;
  }
  return !query->wants_file;
}
