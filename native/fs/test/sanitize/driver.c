/*
 * The core under AddressSanitizer and UBSan: `driver FOLDER SEED ROUNDS [BATCH…]`. Performs a set of calls in FOLDER, then feeds the decoder with
 * random bytes and with damaged copies of the given batches, whose lengths it has to doubt. Leaks and bad accesses end it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../../core/apply.h"
#include "../../core/cleanup.h"
#include "../../core/contents.h"
#include "../../core/deflate.h"
#include "../../core/layers.h"
#include "../../core/lock.h"
#include "../../core/mkdirs.h"
#include "../../core/ops.h"
#include "../../core/overlay.h"
#include "../../core/pass.h"
#include "../../core/program.h"
#include "../../core/resolve.h"
#include "../../core/send.h"
#include "../../core/sha256.h"
#include "../../core/single.h"
#include "../../core/tree_copy.h"
#include "../../core/usage.h"
#include "../../core/utf8.h"
#include "../../core/walk.h"
#include "../../core/walk_digest.h"
#include "../../core/walk_pairs.h"

#include "support.h"

/* A failure that is expected, with its memory given back. */
static void check_fails(int result, int code, const char *what, struct err *err) {
  if (result >= 0 || err->code != code) {
    fprintf(stderr, "%s: expected %s, got %s\n", what, strerror(code), result >= 0 ? "success" : strerror(err->code));
    exit(1);
  }
  err_free(err);
}

static void single_paths(int root) {
  struct err err = ERR_INIT;
  struct node node = {.has_mode = true, .mode = 0640, .uid = getuid(), .gid = getgid(), .has_mtime = true};
  struct mkdir_options folder = {.mode = 0755, .uid = getuid(), .gid = getgid(), .has_mtime = true, .parents = true};
  struct buf out cleanup_with(buf_free) = {0};
  struct statx stat;
  int fd = mkdirs_open(root, "/a//b/./c/", &folder, &out, &err);
  check(fd, "mkdirs", &err);
  close(fd);
  check(single_write(root, "a/b/file", "content", 7, &node, &err), "write", &err);
  check(single_symlink(root, "a/link", "b/later", &node, &err), "symlink", &err);
  fd = mkdirs_open(root, "a/link/x", &folder, NULL, &err);
  check(fd, "mkdirs through a link", &err);
  close(fd);
  check(single_list(root, "a", &out, &err), "list", &err);
  check(single_readlink(root, "a/link", &out, &err), "readlink", &err);
  check(single_read(root, "a/b/file", 7, &out, &err), "read", &err);
  check_fails(single_read(root, "a/b/file", 6, &out, &err), EFBIG, "read too much", &err);
  check(single_stat(root, "a/none", true, &stat, &err), "stat", &err);
  check(single_owner(root, "a/link", &node, &err), "owner", &err);
  check_fails(single_list(root, "a/b/file", &out, &err), ENOTDIR, "list a file", &err);
  check_fails(single_remove(root, "/", &err), EBUSY, "remove the root", &err);
}

static void long_paths(int root) {
  struct err err = ERR_INIT;
  struct stat stat;
  char path[3 * PATH_MAX];
  for (size_t i = 0; i < sizeof path; i++) path[i] = i % 2 == 0 ? 'd' : '/';
  path[sizeof path - 1] = '\0';
  check_fails(resolve_open(root, path, O_PATH, 0, LINKS_FOLLOW, &err), ENOENT, "long path", &err);
  memset(path, 'x', sizeof path - 1);
  check_fails(resolve_open(root, path, O_PATH, 0, LINKS_FOLLOW, &err), ENAMETOOLONG, "long name", &err);
  struct parent parent cleanup_with(parent_free);
  parent_init(&parent, root, LINKS_REFUSE);
  check_fails(contents_open(&parent, "a/link/x", &stat, &err), ELOOP, "link on the way", &err);
}

/* Deep enough that folders are closed and opened again on the way back. */
static void deep_tree(int root) {
  struct err err = ERR_INIT;
  struct mkdir_options folder = {.mode = 0700, .uid = getuid(), .gid = getgid(), .parents = true};
  struct walk_options all = {.xattrs = true, .depth = UINT32_MAX};
  struct buf out cleanup_with(buf_free) = {0};
  char path[600];
  for (size_t i = 0; i < sizeof path; i++) path[i] = i % 2 == 0 ? 'd' : '/';
  path[sizeof path - 1] = '\0';
  int fd = mkdirs_open(root, path, &folder, NULL, &err);
  check(fd, "deep mkdirs", &err);
  close(fd);
  check(walk_tree(root, "", &all, &out, &err), "walk", &err);
  check(usage_tree(root, &out, &err), "usage", &err);
  check(single_remove(root, "d", &err), "deep remove", &err);
  check_fails(walk_tree(root, "d", &all, &out, &err), ENOENT, "walk nothing", &err);
}

static void batches_of_files(int root) {
  static const char paths[] = "a/b/file\0a/b/../b/file\0/a/b/file";
  struct err err = ERR_INIT;
  struct buf out cleanup_with(buf_free) = {0};
  check(contents_check_paths(paths, sizeof paths, 3, &err), "paths", &err);
  check_fails(contents_check_paths(paths, sizeof paths - 1, 3, &err), EINVAL, "paths without end", &err);
  check(contents_hash(root, paths, 3, &out, &err), "hash", &err);
  check(contents_read(root, paths, 3, 100, &out, &err), "read", &err);
  check_fails(contents_hash(root, "a/b/file\0a", 2, &out, &err), EINVAL, "hash a folder", &err);
}

/* Two walks of which one may be damaged, in blocks of exactly their size. */
static void compared_walks(struct walk_bytes walk, struct walk_bytes damaged) {
  static const uint32_t chosen[] = {0, 1, 2, 3, 4};
  static const uint8_t hashes[5 * SHA256_BYTES];
  struct err err = ERR_INIT;
  struct buf out cleanup_with(buf_free) = {0};
  struct walk_digest digest = {.walk = damaged.bytes, .walk_len = damaged.len, .hashes = hashes, .hashes_len = sizeof hashes};
  digest.chosen = (const uint8_t *)chosen;
  digest.chosen_len = sizeof chosen;
  digest.name = "name";
  walk_pairs(walk, damaged, &out, &err);
  err_free(&err);
  walk_pairs(damaged, walk, &out, &err);
  err_free(&err);
  walk_digest(&digest, &out, &err);
  err_free(&err);
}

/* A small tree copied as its walk says, whole and with the walk's bytes damaged: whatever these say, nothing outside of them is read. */
static void copied_trees(int root, long rounds) {
  static const uint32_t picks[] = {2, 0644, 4, 06755 | TREE_COPY_TWIN};
  static const uint8_t hashes[5 * SHA256_BYTES];
  struct err err = ERR_INIT;
  struct node node = {.has_mode = true, .mode = 0600, .uid = getuid(), .gid = getgid()};
  struct mkdir_options folder = {.mode = 0755, .uid = getuid(), .gid = getgid(), .parents = true};
  struct walk_options all = {.xattrs = true, .depth = UINT32_MAX};
  struct buf walk cleanup_with(buf_free) = {0};
  for (int i = 0; i < 2; i++) {
    int fd = mkdirs_open(root, i == 0 ? "from/one" : "to/one", &folder, NULL, &err);
    check(fd, "mkdirs", &err);
    close(fd);
    fd = mkdirs_open(root, i == 0 ? "from/two" : "to/two", &folder, NULL, &err);
    check(fd, "mkdirs", &err);
    close(fd);
  }
  check(single_write(root, "from/one/a", "a", 1, &node, &err), "write", &err);
  check(single_write(root, "from/two/b", "b", 1, &node, &err), "write", &err);
  cleanup_fd int noted = openat(root, "from/two/b", O_RDWR | O_CLOEXEC);
  if (noted < 0 || (fsetxattr(noted, "user.note", "value", 5, 0) < 0 && errno != ENOTSUP)) exit(1);
  check(walk_tree(root, "from", &all, &walk, &err), "walk", &err);
  struct tree_copy copy = {.walk = walk.data, .walk_len = walk.len, .from = "from", .to = "to", .uid = -1, .gid = -1};
  copy.picks = (const uint8_t *)picks;
  copy.picks_len = sizeof picks;
  check(tree_copy(root, root, root, &copy, &err), "copy", &err);
  copy.hashes = hashes;
  copy.hashes_len = sizeof hashes;
  check_fails(tree_copy(root, root, -1, &copy, &err), ESTALE, "copy what is not as it was", &err);
  copy.hashes_len = 0;
  for (long round = 0; round < rounds; round++) {
    size_t kept = next_random() % 4 == 0 ? next_random() % (walk.len + 1) : walk.len;
    uint8_t *damaged = malloc(kept == 0 ? 1 : kept);
    if (damaged == NULL) exit(1);
    memcpy(damaged, walk.data, kept);
    for (uint64_t changes = next_random() % 4; changes > 0 && kept > 0; changes--) damaged[next_random() % kept] = (uint8_t)next_random();
    copy.walk = damaged;
    copy.walk_len = kept;
    tree_copy(root, root, root, &copy, &err);
    err_free(&err);
    compared_walks((struct walk_bytes){walk.data, walk.len}, (struct walk_bytes){damaged, kept});
    free(damaged);
  }
}

/* What is compressed lies in memory of just its size, and so does what it is written to, which is too little at times. */
static void deflated(long rounds) {
  cleanup_free void *work = malloc(deflate_work_bytes());
  for (long round = 0; round < rounds; round++) {
    size_t len = round % 20 == 0 ? next_random() % 300000 : next_random() % 300, size;
    size_t room = round % 3 == 0 ? next_random() % (len + 1) : len + len / 8 + 4096;
    uint8_t *bytes = malloc(len == 0 ? 1 : len), *out = malloc(room == 0 ? 1 : room);
    if (work == NULL || bytes == NULL || out == NULL) exit(1);
    uint64_t variety = 1 + next_random() % 256;
    for (size_t i = 0; i < len; i++) {
      uint64_t random = next_random();
      bytes[i] = i > 9 && random % 5 != 0 ? bytes[i - 1 - random / 8 % (i < 70000 ? i : 70000)] : (uint8_t)(random / 8 % variety);
    }
    bool fits = deflate_encode((int)(4 + round % 4), work, bytes, len, out, room, &size);
    if (size > room || (!fits && round % 3 != 0)) {
      fprintf(stderr, "deflate of %zu bytes into %zu: %d, %zu\n", len, room, fits, size);
      exit(1);
    }
    free(bytes);
    free(out);
  }
}

/* A link, a marked folder, a name that is too long, and a program that is not there. */
static void layers_paths_and_programs(int root) {
  struct err err = ERR_INIT;
  struct buf out = {0};
  size_t layer;
  int layers[2] = {root, root};
  static char long_name[NAME_MAX + 2];
  memset(long_name, 'n', NAME_MAX + 1);
  check(mkdirat(root, "stack", 0700), "mkdirat", &err);
  check(mkdirat(root, "stack/marked", 0700), "mkdirat", &err);
  check(symlinkat("marked", root, "stack/link"), "symlinkat", &err);
  cleanup_fd int marked = openat(root, "stack/marked", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (marked >= 0) fsetxattr(marked, "user.overlay.opaque", "y", 1, 0);
  const struct {
    const char *path;
    int found;
  } paths[] = {{"", 1}, {"stack/marked/new", 1}, {"stack/link", 0}, {"stack//new", 0}, {"../stack", 0}, {long_name, 0}};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    struct layers_query query = {.path = paths[i].path, .userxattr = true};
    int found = layers_find(layers, 2, &query, &layer, &err);
    check(found, "layers_find", &err);
    if (found != paths[i].found) exit(1);
    int told = resolve_path(root, paths[i].path, &out, &err);
    if (told < 0) err_free(&err);
  }
  buf_free(&out);
  struct program program;
  char *const args[] = {"none", NULL};
  check_fails(program_start("/no/such/program", args, root, &program, &err), ENOENT, "program_start", &err);
}

static void locks_and_mounts(const char *folder) {
  struct err err = ERR_INIT;
  bool busy;
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/lock", folder);
  int fd = lock_try(path, true, &busy, &err);
  check(fd, "lock", &err);
  if (lock_try(path, true, &busy, &err) >= 0 || !busy) exit(1);
  close(fd);
  struct overlay nothing = {0};
  check_fails(overlay_mount(&nothing, &err), EINVAL, "overlay of nothing", &err);
  const char *lowers[] = {folder, folder, "/no/such/folder"};
  struct overlay overlay = {.lowers = lowers, .lower_count = 3};
  if (overlay_mount(&overlay, &err) >= 0) exit(1); /* EPERM without root, ENOENT with */
  err_free(&err);
}

/* Decodes the bytes from a block of exactly their size, so that reading one more is seen. */
static void decode(const uint8_t *bytes, size_t len) {
  struct err err = ERR_INIT;
  uint8_t *exact = malloc(len == 0 ? 1 : len);
  if (exact == NULL) exit(1);
  memcpy(exact, bytes, len);
  ops_check(exact, len, &err);
  utf8_valid((const char *)exact, len);
  err_free(&err);
  free(exact);
}

/* A file into a pipe and into a file, parts of it, and more than it has. */
static void send_ranges(int root) {
  struct err err = ERR_INIT;
  struct node node = {.has_mode = true, .mode = 0600, .uid = getuid(), .gid = getgid()};
  char got[8];
  int ends[2];
  check(single_write(root, "sent", "0123456789", 10, &node, &err), "write", &err);
  cleanup_fd int in = openat(root, "sent", O_RDONLY | O_CLOEXEC);
  cleanup_fd int out = openat(root, "received", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (in < 0 || out < 0 || pipe2(ends, O_CLOEXEC) < 0) exit(1);
  cleanup_fd int reader = ends[0], writer = ends[1];
  check(send_range(writer, SEND_HERE, in, 2, 5, &err), "send to a pipe", &err);
  if (read(reader, got, sizeof got) != 5 || memcmp(got, "23456", 5) != 0) exit(1);
  check(send_range(out, SEND_HERE, in, 0, 0, &err), "send nothing", &err);
  check(send_range(out, SEND_HERE, in, 9, 1, &err), "send to a file", &err);
  check_fails(send_range(out, SEND_HERE, in, 8, 3, &err), EIO, "send more than there is", &err);
  check_fails(send_range(out, SEND_HERE, in, 1ull << 40, 1, &err), EIO, "send from far behind the end", &err);
  check(send_range(out, 4, in, 7, 3, &err), "send to a place", &err);
  if (pread(out, got, sizeof got, 0) != 7 || memcmp(got, "989\0" "789", 7) != 0) exit(1);
  check_fails(send_range(writer, 4, in, 0, 1, &err), ESPIPE, "send to a place of a pipe", &err);
  check_fails(send_range(out, -2, in, 0, 1, &err), EINVAL, "send to before the file", &err);
  check_fails(send_range(-1, SEND_HERE, in, 0, 1, &err), EBADF, "send to nowhere", &err);
}

/* Parts of a file, and more than it has. */
static void hash_ranges(int root) {
  struct err err = ERR_INIT;
  uint8_t whole[SHA256_BYTES], parts[SHA256_BYTES];
  struct sha256 *hash cleanup_with(sha256_free) = sha256_new(&err);
  cleanup_fd int in = openat(root, "sent", O_RDONLY | O_CLOEXEC);
  if (hash == NULL || in < 0) exit(1);
  check(sha256_begin(hash, &err), "begin", &err);
  check(contents_hash_range(hash, in, 0, 10, &err), "hash a file", &err);
  check(sha256_end(hash, whole, &err), "end", &err);
  check(sha256_begin(hash, &err), "begin", &err);
  check(contents_hash_range(hash, in, 0, 3, &err), "hash its beginning", &err);
  check(contents_hash_range(hash, in, 3, 7, &err), "hash its end", &err);
  check(contents_hash_range(hash, in, 3, 0, &err), "hash nothing of it", &err);
  check(sha256_end(hash, parts, &err), "end", &err);
  if (memcmp(whole, parts, sizeof whole) != 0) exit(1);
  check_fails(contents_hash_range(hash, in, 8, 3, &err), EIO, "hash more than there is", &err);
  check_fails(contents_hash_range(hash, -1, 0, 1, &err), EBADF, "hash what is not open", &err);
}

static int received_fd(int socket) {
  char byte;
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * PASS_FDS_MAX)];
  } rights;
  struct iovec part = {.iov_base = &byte, .iov_len = 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof rights};
  int fd = -1;
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) exit(1);
  for (size_t at = 0; CMSG_FIRSTHDR(&message) != NULL && CMSG_LEN((at + 1) * sizeof fd) <= rights.header.cmsg_len; at++) {
    if (fd >= 0) close(fd);
    memcpy(&fd, CMSG_DATA(&rights.header) + at * sizeof fd, sizeof fd);
  }
  return fd;
}

static void passed_descriptors(int root) {
  struct err err = ERR_INIT;
  int ends[2], many[PASS_FDS_MAX + 1];
  struct stat ours, theirs;
  for (int i = 0; i <= PASS_FDS_MAX; i++) many[i] = root;
  check(pass_pair(true, ends, &err), "socket pair", &err);
  check(pass_send(ends[0], "x", 1, NULL, 0, &err), "send no descriptor", &err);
  if (received_fd(ends[1]) >= 0) exit(1);
  check(pass_send(ends[0], "x", 1, many, PASS_FDS_MAX, &err), "send all that go", &err);
  cleanup_fd int fd = received_fd(ends[1]);
  if (fstat(root, &ours) < 0 || fstat(fd, &theirs) < 0 || ours.st_ino != theirs.st_ino) exit(1);
  check_fails(pass_send(ends[0], "x", 1, many, PASS_FDS_MAX + 1, &err), EINVAL, "send too many", &err);
  many[0] = -1;
  check_fails(pass_send(ends[0], "x", 1, many, 1, &err), EBADF, "send what is not open", &err);
  close(ends[1]);
  check_fails(pass_send(ends[0], "x", 1, NULL, 0, &err), EPIPE, "send to nobody", &err);
  close(ends[0]);
}

static void decode_random(void) {
  uint8_t bytes[512];
  size_t len = next_random() % sizeof bytes;
  for (size_t i = 0; i < len; i++) bytes[i] = next_random() % 4 == 0 ? (uint8_t)next_random() : 0;
  if (len >= 16) memcpy(bytes, "TSBOPS01\1\0\0\0\0\0\0\0", 16);
  decode(bytes, len);
}

/* A few bytes changed, or cut off; it is then performed too, in a folder of its own. */
static void damage(int root, const uint8_t *batch, size_t len) {
  struct err err = ERR_INIT;
  struct apply_options options = {.hash = true, .ignore_xattr_errors = true};
  struct buf digests cleanup_with(buf_free) = {0};
  cleanup_free uint8_t *copy = malloc(len);
  if (copy == NULL) exit(1);
  memcpy(copy, batch, len);
  for (uint64_t changes = next_random() % 4; changes > 0; changes--) copy[next_random() % len] = (uint8_t)next_random();
  size_t kept = next_random() % 4 == 0 ? next_random() % (len + 1) : len;
  decode(copy, kept);
  apply_ops(root, root, copy, kept, &options, &digests, &err);
  err_free(&err);
}

static void fuzz(int root, const char *file, long rounds) {
  struct err err = ERR_INIT;
  struct buf batch cleanup_with(buf_free) = {0};
  struct stat stat;
  cleanup_fd int fd = open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &stat) < 0) exit(1);
  check(contents_append(fd, &stat, 1 << 20, file, &batch, &err), "batch", &err);
  for (long round = 0; round < rounds; round++) {
    decode_random();
    damage(root, batch.data, batch.len);
  }
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  cleanup_fd int root = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return 2;
  seed_random(strtoull(argv[2], NULL, 10));
  single_paths(root);
  long_paths(root);
  deep_tree(root);
  send_ranges(root);
  hash_ranges(root);
  passed_descriptors(root);
  batches_of_files(root);
  layers_paths_and_programs(root);
  locks_and_mounts(argv[1]);
  deflated(strtol(argv[3], NULL, 10));
  copied_trees(root, strtol(argv[3], NULL, 10));
  archives(root, strtol(argv[3], NULL, 10));
  packings(root, strtol(argv[3], NULL, 10));
  for (int i = 4; i < argc; i++) fuzz(root, argv[i], strtol(argv[3], NULL, 10));
  puts("clean");
  return 0;
}
