/*
 * mutate-ids SEED ROUNDS < text: gives the readers of passwd, subuid and uid_map ROUNDS damaged copies of a text, and checks what they
 * promise of any: ends within their arrays (the sanitizers see to that), names and maps that end, no empty range.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 1 << 16 };

static char text[TEXT_BYTES];
static size_t text_size;

/* Every file that the program opens is the text. */
static FILE *open_text(const char *path, const char *mode) {
  (void)path, (void)mode;
  return fmemopen(text, text_size, "r");
}

#define main userns_main
#define fopen open_text
#include "../userns.c"
#undef fopen
#undef main

static uint32_t next(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*state >> 33);
}

/* A few bytes become others that mean something here, are doubled into long lines, or cut. */
static void damage(const char *good, size_t size, uint64_t *state) {
  static const char alphabet[] = "::::0019\n\n\t -xz\0";
  memcpy(text, good, size);
  text_size = size;
  for (uint32_t i = next(state) % 9; i > 0; i--) text[next(state) % text_size] = alphabet[next(state) % sizeof alphabet];
  if (next(state) % 4 == 0) {
    size_t from = next(state) % text_size, length = next(state) % 3000;
    if (text_size + length < TEXT_BYTES) {
      memmove(text + from + length, text + from, text_size - from);
      memset(text + from, alphabet[next(state) % 8], length);
      text_size += length;
    }
  }
  if (next(state) % 4 == 0) text_size = 1 + next(state) % text_size;
}

static void check(const char *what, int holds) {
  if (holds) return;
  fprintf(stderr, "broken: %s\n%.*s\n", what, (int)text_size, text);
  abort();
}

static void read_all(unsigned *found) {
  struct ranges ranges = {.count = 0};
  char name[LINE_BYTES], map[MAP_BYTES] = "";
  user_name(1000, name, sizeof name);
  check("the name ends", memchr(name, 0, sizeof name) != NULL);
  read_ranges("", 1000, name, &ranges);
  check("ranges fit", ranges.count <= MAX_RANGES);
  for (size_t i = 0; i < ranges.count; i++) check("no empty range", ranges.of[i].count > 0);
  reason[0] = '\0';
  if (same_ids("", map, sizeof map) == 0) check("the map ends", memchr(map, 0, sizeof map) != NULL);
  *found += ranges.count > 0;
}

int main(int argc, char **argv) {
  static char good[TEXT_BYTES / 2];
  size_t size = fread(good, 1, sizeof good, stdin);
  if (argc < 3 || size == 0) return 2;
  uint64_t state = strtoull(argv[1], NULL, 10);
  unsigned found = 0;
  for (unsigned long rounds = strtoul(argv[2], NULL, 10); rounds > 0; rounds--) {
    damage(good, size, &state);
    read_all(&found);
  }
  printf("%u with ranges\n", found);
  return 0;
}
