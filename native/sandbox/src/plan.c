#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The signature of each operation, one letter an argument. */
#define FD(name) "f"
#define U64(name) "u"
#define STR(name) "s"
#define STRS(name) "l"
#define BYTES(name) "b"

static const struct signature {
  const char *name;
  const char *args;
} signatures[OP_COUNT] = {
#define PLAN_OP(name, args) {#name, "" args},
#include "../../plan.def"
#undef PLAN_OP
};

/* What is left to read, and the pool that lists take their pointers from. */
struct reader {
  char *at;
  uint32_t left;
  uint32_t fd_count;
  char **pool;
  size_t pool_left;
};

const char *op_name(uint32_t code) { return code < OP_COUNT ? signatures[code].name : "?"; }

static int malformed(struct err *err, const char *text) { return fail_with(err, EINVAL, "plan", text); }

static int read_u32(struct reader *in, uint32_t *value, struct err *err) {
  if (in->left < sizeof *value) return malformed(err, "ends early");
  memcpy(value, in->at, sizeof *value);
  in->at += sizeof *value;
  in->left -= (uint32_t)sizeof *value;
  return 0;
}

static int read_u64(struct reader *in, uint64_t *value, struct err *err) {
  if (in->left < sizeof *value) return malformed(err, "ends early");
  memcpy(value, in->at, sizeof *value);
  in->at += sizeof *value;
  in->left -= (uint32_t)sizeof *value;
  return 0;
}

static int read_bytes(struct reader *in, union arg *arg, struct err *err) {
  uint32_t size = 0;
  if (read_u32(in, &size, err) < 0) return -1;
  if (size > in->left) return malformed(err, "length beyond the end");
  arg->data.bytes = in->at;
  arg->data.size = size;
  in->at += size;
  in->left -= size;
  return 0;
}

static int read_string(struct reader *in, char **text, uint32_t *length, struct err *err) {
  uint32_t size = 0;
  if (read_u32(in, &size, err) < 0) return -1;
  if (size >= in->left) return malformed(err, "string beyond the end");
  if (in->at[size] != '\0' || memchr(in->at, '\0', size) != NULL) return malformed(err, "NUL inside a string");
  *text = in->at;
  *length = size;
  in->at += size + 1;
  in->left -= size + 1;
  return 0;
}

static int read_list(struct reader *in, union arg *arg, struct err *err) {
  uint32_t count = 0, length = 0;
  if (read_u32(in, &count, err) < 0) return -1;
  /* A string takes at least five bytes, so this also bounds the pool. */
  if (count > in->left / 5 || (size_t)count + 1 > in->pool_left) return malformed(err, "list beyond the end");
  arg->list.items = in->pool;
  arg->list.count = count;
  for (uint32_t i = 0; i < count; i++) {
    if (read_string(in, &in->pool[i], &length, err) < 0) return -1;
  }
  in->pool[count] = NULL;
  in->pool += count + 1;
  in->pool_left -= count + 1;
  return 0;
}

static int read_fd(struct reader *in, union arg *arg, struct err *err) {
  uint32_t index = 0;
  if (read_u32(in, &index, err) < 0) return -1;
  if (index >= in->fd_count) return malformed(err, "no such descriptor");
  arg->number = index;
  return 0;
}

static int read_text(struct reader *in, union arg *arg, struct err *err) {
  char *text = NULL;
  uint32_t length = 0;
  if (read_string(in, &text, &length, err) < 0) return -1;
  arg->data.bytes = text;
  arg->data.size = length;
  return 0;
}

static int read_arg(struct reader *in, char kind, union arg *arg, struct err *err) {
  switch (kind) {
    case 'f': return read_fd(in, arg, err);
    case 'u': return read_u64(in, &arg->number, err);
    case 's': return read_text(in, arg, err);
    case 'l': return read_list(in, arg, err);
    default: return read_bytes(in, arg, err);
  }
}

static int read_op(struct reader *in, struct op *op, struct err *err) {
  if (read_u32(in, &op->code, err) < 0) return -1;
  if (op->code >= OP_COUNT) return malformed(err, "unknown operation");
  const char *kinds = signatures[op->code].args;
  for (int i = 0; kinds[i] != '\0'; i++) {
    if (read_arg(in, kinds[i], &op->arg[i], err) < 0) return -1;
  }
  return 0;
}

static int read_ops(struct reader *in, struct plan *plan, struct err *err) {
  for (uint32_t i = 0; i < plan->op_count; i++) {
    err->line = (int32_t)i;
    if (read_op(in, &plan->ops[i], err) < 0) return -1;
  }
  err->line = -1;
  return in->left == 0 ? 0 : malformed(err, "bytes left over");
}

int plan_body_size(const uint8_t header[PLAN_HEADER_BYTES], uint32_t *size, struct err *err) {
  if (memcmp(header, PLAN_MAGIC, strlen(PLAN_MAGIC)) != 0) return malformed(err, "not a plan");
  memcpy(size, header + strlen(PLAN_MAGIC), sizeof *size);
  return *size <= PLAN_MAX_BYTES ? 0 : malformed(err, "too large");
}

int plan_decode(char *body, uint32_t size, struct plan *plan, struct err *err) {
  struct reader in = {.at = body, .left = size};
  memset(plan, 0, sizeof *plan);
  err->line = -1;
  if (read_u32(&in, &plan->fd_count, err) < 0 || read_u32(&in, &plan->flags, err) < 0 ||
      read_u32(&in, &plan->op_count, err) < 0)
    return -1;
  if (plan->fd_count > PLAN_MAX_FDS) return malformed(err, "too many descriptors");
  if (plan->op_count > PLAN_MAX_OPS) return malformed(err, "too many operations");
  in.fd_count = plan->fd_count;
  /* Room for every string that fits, and the NULL after each list; at most two lists an operation. */
  in.pool_left = size / 5 + 2 * (size_t)plan->op_count + 1;
  size_t pool_bytes = in.pool_left * sizeof(char *);
  plan->ops = calloc(1, plan->op_count * sizeof(struct op) + pool_bytes);
  if (plan->ops == NULL) return fail_with(err, ENOMEM, "plan", "out of memory");
  in.pool = (char **)(void *)(plan->ops + plan->op_count);
  return read_ops(&in, plan, err);
}

void plan_free(struct plan *plan) {
  free(plan->ops);
  plan->ops = NULL;
}
