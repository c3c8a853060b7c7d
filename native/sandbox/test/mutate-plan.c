/*
 * mutate-plan SEED ROUNDS < plan: decodes a valid plan, then ROUNDS damaged copies of it, and reads every byte that a decoded plan
 * promises. Built with the address and undefined-behaviour sanitizers: any misstep of the reader ends the program. The damage is
 * a few bytes changed, cut or doubled, biased to the small numbers that lengths and counts are made of.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/plan.h"

static uint32_t next(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*state >> 33);
}

/* Adds up everything that an argument points at, so that the sanitizer sees each access. */
static unsigned long visit(const struct plan *plan) {
  static const char *const kinds[] = {
#define FD(name) "f"
#define U64(name) "u"
#define STR(name) "s"
#define STRS(name) "l"
#define BYTES(name) "b"
#define PLAN_OP(name, args) "" args,
#include "../../plan.def"
#undef PLAN_OP
  };
  unsigned long sum = 0;
  for (uint32_t i = 0; i < plan->op_count; i++) {
    const struct op *op = &plan->ops[i];
    for (int a = 0; kinds[op->code][a] != '\0'; a++) {
      const union arg *arg = &op->arg[a];
      char kind = kinds[op->code][a];
      if (kind == 's') sum += strlen(arg->data.bytes);
      if (kind == 'b') for (uint32_t b = 0; b < arg->data.size; b++) sum += (unsigned char)arg->data.bytes[b];
      if (kind == 'l') for (char **item = arg->list.items; *item != NULL; item++) sum += strlen(*item);
    }
  }
  return sum;
}

/* Decodes from a heap block of exactly the plan's size: one byte too far is seen. */
static int try_plan(const uint8_t *bytes, size_t size, unsigned long *sum) {
  struct err err;
  struct plan plan = {0};
  uint32_t announced = 0;
  if (size < PLAN_HEADER_BYTES || plan_body_size(bytes, &announced, &err) < 0) return -1;
  size_t body_size = size - PLAN_HEADER_BYTES;
  char *body = malloc(body_size > 0 ? body_size : 1);
  if (body == NULL) abort();
  memcpy(body, bytes + PLAN_HEADER_BYTES, body_size);
  int result = plan_decode(body, (uint32_t)body_size, &plan, &err);
  if (result == 0) *sum += visit(&plan);
  plan_free(&plan);
  free(body);
  return result;
}

static size_t damage(uint8_t *bytes, size_t size, uint64_t *state) {
  static const uint8_t telling[] = {0, 1, 2, 4, 5, 0x7f, 0x80, 0xff};
  for (uint32_t changes = 1 + next(state) % 4; changes > 0; changes--) {
    size_t at = next(state) % size;
    switch (next(state) % 6) {
      case 0: bytes[at] = (uint8_t)next(state); break;
      case 1: bytes[at] ^= (uint8_t)(1u << next(state) % 8); break;
      case 2: size = at + 1; break;
      case 3: memmove(bytes + at, bytes + at / 2, size - at); break;
      default: bytes[at] = telling[next(state) % sizeof telling];
    }
  }
  return size;
}

int main(int argc, char **argv) {
  static uint8_t valid[1 << 20], copy[1 << 20];
  if (argc != 3) return 2;
  uint64_t state = strtoull(argv[1], NULL, 10);
  unsigned long sum = 0, accepted = 0, rounds = strtoul(argv[2], NULL, 10);
  size_t size = fread(valid, 1, sizeof valid, stdin);
  if (try_plan(valid, size, &sum) < 0) return 3;
  for (unsigned long i = 0; i < rounds; i++) {
    memcpy(copy, valid, size);
    size_t damaged = damage(copy, size, &state);
    if (damaged > 0 && try_plan(copy, damaged, &sum) == 0) accepted++;
  }
  return printf("%lu of %lu accepted, %lu\n", accepted, rounds, sum) < 0;
}
