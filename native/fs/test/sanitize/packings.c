/* Walks, whole and damaged, for what packs the members that leave nothing to decide. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../core/cleanup.h"
#include "../../core/mkdirs.h"
#include "../../core/packing.h"
#include "../../core/plain_head.h"
#include "../../core/single.h"
#include "../../core/walk.h"

#include "support.h"

enum { LONG = 120 };
/* Blocks that no time shortens: four heads, two that are extended, by two each, and three of contents. */
enum { LEAST_BLOCKS = 4 + 2 * 2 + 3 };

/* A folder with a file and a link, whose names are long; returns its descriptor. */
static int make_tree(int root) {
  struct err err = ERR_INIT;
  struct node node = {.has_mode = true, .mode = 0644, .uid = getuid(), .gid = getgid(), .has_mtime = true};
  struct mkdir_options folder = {.mode = 0755, .uid = getuid(), .gid = getgid(), .has_mtime = true, .parents = true};
  char name[LONG + 8] = "packed/", content[700] = {0};
  memset(name + 7, 'n', LONG);
  node.mtime.tv_nsec = 5;
  int fd = mkdirs_open(root, "packed/d", &folder, NULL, &err);
  check(fd, "mkdirs", &err);
  close(fd);
  check(single_write(root, "packed/d/f", content, sizeof content, &node, &err), "write", &err);
  check(single_write(root, name, content, 3, &node, &err), "write", &err);
  check(single_symlink(root, "packed/o", name, &node, &err), "symlink", &err);
  int packed = openat(root, "packed", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  check(packed, "open", &err);
  return packed;
}

/* In memory of just its size. Returns how much was written. */
static size_t pack(int root, struct walk_bytes walk) {
  struct err err = ERR_INIT;
  struct packing_options options = {.max_file_bytes = UINT64_MAX, .has_latest = next_random() % 2};
  size_t written = 0, room = PLAIN_HEAD_MAX + next_random() % 2000;
  cleanup_free uint8_t *out = malloc(room);
  if (out == NULL) exit(1);
  struct packing *packing = packing_new(root, walk, &options, &err);
  for (struct packing_step step = {0}; packing != NULL && !step.ended && !step.changed; written += step.written)
    if (packing_step(packing, walk, out, room, &step, &err) < 0) break;
  packing_free(&packing);
  err_free(&err);
  return written;
}

void packings(int root, long rounds) {
  struct err err = ERR_INIT;
  struct walk_options all = {.xattrs = true, .depth = UINT32_MAX};
  struct buf walk cleanup_with(buf_free) = {0};
  cleanup_fd int packed = make_tree(root);
  check(walk_tree(packed, "", &all, &walk, &err), "walk", &err);
  for (long round = 0; round < rounds; round++) {
    cleanup_free uint8_t *damaged = malloc(walk.len);
    if (damaged == NULL) exit(1);
    memcpy(damaged, walk.data, walk.len);
    for (uint64_t changes = next_random() % 4; round > 0 && changes > 0; changes--)
      damaged[next_random() % walk.len] = (uint8_t)next_random();
    size_t written = pack(packed, (struct walk_bytes){damaged, walk.len});
    if (round == 0 && written < LEAST_BLOCKS * TAR_BLOCK) {
      fprintf(stderr, "of the members %zu bytes were packed\n", written);
      exit(1);
    }
  }
}
