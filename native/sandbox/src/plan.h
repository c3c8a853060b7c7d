#ifndef TSB_PLAN_H
#define TSB_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/*
 * A plan on the wire, little endian:
 *   "TSBPLAN1", u32 bytes that follow this field, u32 descriptors, u32 flags, u32 operations, then each operation:
 *   u32 code, then its arguments as plan.def lists them: FD u32; U64 u64; STR u32 length, bytes, NUL; STRS u32 count, STR…;
 *   BYTES u32 length, bytes.
 * The reader trusts nothing: every length is checked against what is left, strings hold no NUL, codes and descriptors exist,
 * and no byte is left over.
 */
#define PLAN_MAGIC "TSBPLAN1"
#define PLAN_HEADER_BYTES 12
#define PLAN_MAX_BYTES (8u * 1024 * 1024)
#define PLAN_MAX_OPS 8192u
#define PLAN_MAX_FDS 512u
#define PLAN_MAX_ARGS 5

/* Plan flags: the command gets the supervisor's standard input by way of a pipe; it gets a terminal (see `console`) instead of pipes. */
#define PLAN_INPUT 1u
#define PLAN_TERMINAL 2u

enum op_code {
#define PLAN_OP(name, args) OP_##name,
#include "../../plan.def"
#undef PLAN_OP
  OP_COUNT
};

union arg {
  uint64_t number;
  struct {
    const char *bytes;
    uint32_t size;
  } data;
  struct {
    char **items; /* NULL-terminated, as execve wants it */
    uint32_t count;
  } list;
};

struct op {
  uint32_t code;
  union arg arg[PLAN_MAX_ARGS];
};

struct plan {
  uint32_t fd_count;
  uint32_t flags;
  uint32_t op_count;
  struct op *ops;
};

/* Bytes of the body that a header announces; fails on a wrong magic or an impossible size. */
int plan_body_size(const uint8_t header[PLAN_HEADER_BYTES], uint32_t *size, struct err *err);

/*
 * Decodes a body. The plan points into it, so it must live as long; it is not const because execve takes `char *const[]`. The
 * only allocations of the program happen here; nothing is ever freed: the process ends instead (plan_free is for tests).
 */
int plan_decode(char *body, uint32_t size, struct plan *plan, struct err *err);
void plan_free(struct plan *plan);

const char *op_name(uint32_t code);

#endif
