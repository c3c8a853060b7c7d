/*
 * A tree as odd as a file system allows, made by chance and told to the last attribute.
 *
 *   odd-tree change SEED COUNT ROOT ID_MAX   makes COUNT changes below ROOT, chosen by SEED
 *   odd-tree list ROOT                       one line an entry, in byte order
 *   odd-tree step SEED COUNT ROOT ID_MAX     both
 *
 * The same tree and seed give the same changes, but for times of what was not given one. Changes that the kernel refuses (devices
 * for a normal user, a folder renamed into itself) are left out.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PATHS = 6000, LARGE = 300000 };

struct tree {
  char *paths[MAX_PATHS];
  int count;
};

static uint64_t state;
static unsigned id_max;

static void die(const char *what, const char *path) {
  fprintf(stderr, "odd-tree: %s %s: %s\n", what, path, strerror(errno));
  exit(1);
}

static unsigned pick(unsigned below) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (unsigned)((state >> 11) % below);
}

static int by_bytes(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *join(const char *folder, const char *name) {
  char *path;
  if (asprintf(&path, "%s/%s", folder, name) < 0) die("asprintf", name);
  return path;
}

/* All below a folder and the folder itself, parents first, names in byte order. */
static void walk(struct tree *tree, const char *path) {
  struct stat st;
  if (lstat(path, &st) < 0) die("lstat", path);
  if (tree->count == MAX_PATHS) die("too many paths", path);
  tree->paths[tree->count++] = strdup(path);
  if (!S_ISDIR(st.st_mode)) return;
  DIR *dir = opendir(path);
  if (dir == NULL) die("opendir", path);
  char *names[MAX_PATHS];
  int count = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) names[count++] = strdup(entry->d_name);
  closedir(dir);
  qsort(names, (size_t)count, sizeof *names, by_bytes);
  for (int i = 0; i < count; i++) {
    char *child = join(path, names[i]);
    walk(tree, child);
    free(child);
    free(names[i]);
  }
}

static void forget(struct tree *tree) {
  for (int i = 0; i < tree->count; i++) free(tree->paths[i]);
  tree->count = 0;
}

/* Printable: other bytes and the backslash in octal, so that a line is a line. */
static void print_bytes(const unsigned char *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (bytes[i] > ' ' && bytes[i] < 127 && bytes[i] != '\\') putchar(bytes[i]);
    else printf("\\%03o", bytes[i]);
  }
}

static uint64_t hash_of(const char *path, const struct stat *st) {
  static unsigned char buffer[65536];
  uint64_t hash = 14695981039346656037u;
  int fd = open(path, O_RDONLY | O_NOFOLLOW);
  if (fd < 0) die("open", path);
  ssize_t length;
  off_t total = 0;
  while ((length = read(fd, buffer, sizeof buffer)) > 0) {
    for (ssize_t i = 0; i < length; i++) hash = (hash ^ buffer[i]) * 1099511628211u;
    total += length;
  }
  if (length < 0 || total != st->st_size) die("read", path);
  close(fd);
  return hash;
}

static void print_xattrs(const char *path) {
  char names[65536], *sorted[512];
  unsigned char value[65536];
  ssize_t length = llistxattr(path, names, sizeof names);
  int count = 0;
  for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) sorted[count++] = names + at;
  qsort(sorted, (size_t)count, sizeof *sorted, by_bytes);
  for (int i = 0; i < count; i++) {
    ssize_t bytes = lgetxattr(path, sorted[i], value, sizeof value);
    if (bytes < 0) die("lgetxattr", path);
    printf(" ");
    print_bytes((unsigned char *)sorted[i], strlen(sorted[i]));
    printf("=");
    print_bytes(value, (size_t)bytes);
  }
}

/* The first of the paths that name the same inode. */
static const char *first_name(const struct tree *tree, int index, const struct stat *st) {
  struct stat other;
  for (int i = 0; i < index; i++)
    if (lstat(tree->paths[i], &other) == 0 && other.st_ino == st->st_ino && other.st_dev == st->st_dev)
      return tree->paths[i];
  return NULL;
}

static void list_one(const struct tree *tree, int index, size_t skip) {
  const char *path = tree->paths[index];
  struct stat st;
  if (lstat(path, &st) < 0) die("lstat", path);
  printf("entry .");
  print_bytes((const unsigned char *)path + skip, strlen(path) - skip);
  printf(" %o %u:%u %lld.%09ld", st.st_mode, st.st_uid, st.st_gid, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  if (S_ISREG(st.st_mode)) printf(" %lld %016llx", (long long)st.st_size, (unsigned long long)hash_of(path, &st));
  if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) printf(" %u:%u", major(st.st_rdev), minor(st.st_rdev));
  if (S_ISLNK(st.st_mode)) {
    unsigned char target[PATH_MAX];
    ssize_t length = readlink(path, (char *)target, sizeof target);
    printf(" -> ");
    print_bytes(target, (size_t)length);
  }
  print_xattrs(path);
  if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
    const char *first = first_name(tree, index, &st);
    if (first != NULL) {
      printf(" is .");
      print_bytes((const unsigned char *)first + skip, strlen(first) - skip);
    }
  }
  putchar('\n');
}

static void list(const char *root) {
  static struct tree tree;
  walk(&tree, root);
  for (int i = 0; i < tree.count; i++) list_one(&tree, i, strlen(root));
  forget(&tree);
}

static void remove_all(const char *path) {
  static struct tree tree;
  walk(&tree, path);
  for (int i = tree.count - 1; i >= 0; i--)
    if (remove(tree.paths[i]) < 0) die("remove", tree.paths[i]);
  forget(&tree);
}

/* As mv does where rename(2) refuses: overlayfs does not rename folders of lower layers. */
static int move(const char *from, const char *to) {
  if (rename(from, to) == 0) return 0;
  struct stat st;
  if (errno != EXDEV || lstat(from, &st) < 0 || mkdir(to, 0700) < 0) return -1;
  DIR *dir = opendir(from);
  char *names[MAX_PATHS];
  int count = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) names[count++] = strdup(entry->d_name);
  closedir(dir);
  for (int i = 0; i < count; i++) {
    char *source = join(from, names[i]), *target = join(to, names[i]);
    if (move(source, target) < 0) die("move", source);
    free(source);
    free(target);
    free(names[i]);
  }
  struct timespec times[2] = {st.st_atim, st.st_mtim};
  if (rmdir(from) < 0 || chown(to, st.st_uid, st.st_gid) < 0 || chmod(to, st.st_mode & 07777) < 0) die("move", from);
  return utimensat(AT_FDCWD, to, times, 0);
}

static const char *new_name(void) {
  static char name[NAME_MAX + 1];
  static const char *const ODD[] = {"new\nline",  "\xff\xfe\x80", " ",       "back\\slash", "-rf",      "...",       ".whx", "\xc3\xa9t\xc3\xa9",
                                    "tab\there", "quote'\"",     "*?[a]$x", "#hash",       "%s%n",     "a=b",       "~",    "con\x01trol"};
  unsigned kind = pick(10);
  if (kind == 0) {
    memset(name, 'a' + (int)pick(26), NAME_MAX);
    name[NAME_MAX] = 0;
    return name;
  }
  if (kind < 4) return ODD[pick(sizeof ODD / sizeof *ODD)];
  snprintf(name, sizeof name, "%c", 'a' + (int)pick(12));
  return name;
}

static void write_some(const char *path, int flags) {
  static unsigned char bytes[LARGE];
  static const unsigned SIZES[] = {0, 1, 511, 512, 513, 4096, 70000, LARGE};
  int fd = open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | flags, 0644);
  if (fd < 0) return;
  unsigned size = SIZES[pick(sizeof SIZES / sizeof *SIZES)];
  for (unsigned i = 0; i < size; i++) bytes[i] = (unsigned char)(i % 251 + pick(2));
  /* Every fourth has a hole in front, behind, or all over. */
  if (pick(4) == 0 && lseek(fd, (off_t)pick(3) * 1000000, SEEK_END) < 0) die("lseek", path);
  if (write(fd, bytes, size) != (ssize_t)size) die("write", path);
  if (pick(8) == 0 && ftruncate(fd, (off_t)pick(2000000)) < 0) die("ftruncate", path);
  close(fd);
}

/* By a name that nothing else has: no tar holds a socket, and what it had taken the place of would show again. */
static void make_socket(const char *beside) {
  char path[PATH_MAX + 32];
  snprintf(path, sizeof path, "%.*s/s%u%u", (int)(strrchr(beside, '/') - beside), beside, pick(1u << 31), pick(1u << 31));
  mknod(path, S_IFSOCK | 0600, 0);
}

static void make(const char *path) {
  switch (pick(8)) {
    case 0: mkdir(path, 0755); break;
    case 1: {
      static char target[PATH_MAX];
      unsigned length = pick(4) == 0 ? PATH_MAX - 1 : 1 + pick(120);
      for (unsigned i = 0; i < length; i++) target[i] = "/.ab\xff \n\\"[pick(8)];
      target[length] = 0;
      if (symlink(target, path) < 0) break;
      break;
    }
    case 2: mknod(path, S_IFIFO | 0640, 0); break;
    case 3: make_socket(path); break;
    case 4: mknod(path, (pick(2) ? S_IFCHR : S_IFBLK) | 0660, makedev(1 + pick(4000), pick(200000))); break;
    case 5: mkdir(path, 0700); break;
    default: write_some(path, O_CREAT | O_EXCL);
  }
}

static void date(const char *path) {
  /* umoci counts nanoseconds in 64 bits, which end in 2262. */
  static const long long SECONDS[] = {-2000000000, -1, 0, 1, 1000000000, 2147483647, 2147483648, 4294967296, 9000000000};
  struct timespec time = {SECONDS[pick(9)], pick(2) ? 0 : pick(1000000000)};
  struct timespec times[2] = {time, time};
  utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

static void attribute(const char *path) {
  static const char *const NAMES[] = {"user.a", "user.b", "user.\xc3\xa9 =\n", "user.overlayx", "user.longer.name.with.dots"};
  const char *name = NAMES[pick(5)];
  char value[300];
  unsigned length = pick(300);
  for (unsigned i = 0; i < length; i++) value[i] = (char)pick(256);
  if (pick(4) == 0) lremovexattr(path, name);
  else lsetxattr(path, name, value, length, 0);
}

static void capability(const char *path) {
  struct stat st;
  if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode)) return;
  struct vfs_cap_data data = {.magic_etc = VFS_CAP_REVISION_2 | pick(2), .data = {{1u << pick(14), 0}, {0, 0}}};
  lsetxattr(path, "security.capability", &data, XATTR_CAPS_SZ_2, 0);
}

static int is_upper(const char *path, const char *root) {
  const char *name = strchr(path + strlen(root), '/');
  return name == NULL || strchr(name + 1, '/') == NULL;
}

static const char *any_path(const struct tree *tree) {
  return tree->paths[pick((unsigned)tree->count)];
}

/* Mostly one that lies deep, so that not all is soon gone. */
static const char *old_path(const struct tree *tree, const char *root) {
  const char *path = any_path(tree);
  for (int tries = pick(4) ? 8 : 0; tries > 0 && is_upper(path, root); tries--) path = any_path(tree);
  return path;
}

/* A name that may be taken already, in any folder; of the root's when the path would be too long. */
static char *new_path(const struct tree *tree, const char *root) {
  struct stat st;
  const char *folder = any_path(tree);
  for (int tries = 0; tries < 40 && (lstat(folder, &st) < 0 || !S_ISDIR(st.st_mode)); tries++) folder = any_path(tree);
  return join(S_ISDIR(st.st_mode) && strlen(folder) < PATH_MAX - 2 * NAME_MAX ? folder : root, new_name());
}

/* A folder anew, with less in it. */
static void renew(const char *path) {
  remove_all(path);
  mkdir(path, 0711);
  char *child = join(path, "b");
  make(child);
  free(child);
}

static void change(struct tree *tree, const char *root) {
  walk(tree, root);
  const char *path = old_path(tree, root);
  char *fresh = new_path(tree, root);
  struct stat old;
  if (lstat(path, &old) < 0) die("lstat", path);
  int is_root = strcmp(path, root) == 0;
  int is_inside = strncmp(fresh, path, strlen(path)) == 0;
  switch (pick(30)) {
    default: make(fresh); break;
    case 4: write_some(path, pick(2) ? O_APPEND : O_TRUNC); break;
    case 5: if (!S_ISSOCK(old.st_mode)) link(path, fresh); break;
    case 6: if (!is_root) remove_all(path); break;
    case 7: case 8: if (!is_root && !is_inside && !S_ISSOCK(old.st_mode)) move(path, fresh); break;
    case 9: case 10: if (!S_ISLNK(old.st_mode)) chmod(path, pick(4) == 0 ? 0 : pick(010000)); break;
    case 11: case 12: lchown(path, pick(id_max), pick(2) ? id_max - 1 : pick(1000)); break;
    case 13: case 14: date(path); break;
    case 15: case 16: attribute(path); break;
    case 17: capability(path); break;
    /* Something else of the same name. */
    case 18: if (!is_root) { remove_all(path); make(path); } break;
    case 19: if (!is_root && S_ISDIR(old.st_mode)) renew(path); break;
  }
  free(fresh);
  forget(tree);
}

int main(int argc, char **argv) {
  static struct tree tree;
  umask(022);
  if (argc == 3 && strcmp(argv[1], "list") == 0) {
    list(argv[2]);
    return 0;
  }
  if (argc != 6) return 2;
  state = strtoull(argv[2], NULL, 10) * 0x9E3779B97F4A7C15u + 1;
  for (int i = 0; i < 8; i++) pick(2);
  id_max = (unsigned)strtoul(argv[5], NULL, 10);
  mkdir(argv[4], 0755);
  for (int count = atoi(argv[3]); count > 0; count--) change(&tree, argv[4]);
  if (strcmp(argv[1], "step") == 0) list(argv[4]);
  return 0;
}
