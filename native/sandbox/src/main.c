/*
 * tsbuild-sandbox: performs one plan and tells how it ended.
 *
 * It is started with a socket as descriptor 3 and the plan's descriptors from 4 on, and Node writes the plan to the socket. All
 * policy is in the plan; this program knows no path, no capability and no default. Node starts it for one plan, or once with `serve` (see
 * serve.h), and it forks itself for each. Three processes share the work:
 *
 *   supervisor   in the host's namespaces. Seals its own binary, reads the plan, performs it up to `clone`. Then it relays the
 *                sandbox's output and sends the last frame when PID 1 has been reaped. It kills PID 1 when Node hangs up, and
 *                PID 1 dies with it (PR_SET_PDEATHSIG): nobody has to be alive for the step to be cleaned away.
 *   PID 1        goes on after `clone` in new namespaces: mounts, devices, pivot_root, up to `fork`. Then it reaps. When the
 *                command ends, it reports and ends too, and the kernel kills what is left of the namespace.
 *   command      goes on after `fork`: session, limits, seccomp, user, capabilities, exec.
 *
 * Where Node expects a step, all that steps have alike may be done ahead, while Node prepares the rest: the plan comes in two halves then (see ahead.h).
 *
 * A failure anywhere travels as a `struct err` with the plan's line through the report channel to the supervisor and on to Node.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "attach.h"
#include "emulate.h"
#include "frames.h"
#include "report.h"
#include "sandbox.h"
#include "seal.h"
#include "serve.h"
#include "sys.h"

static int (*const performers[OP_COUNT])(struct sandbox *, const struct op *, struct err *) = {
#define PLAN_OP(name, args) op_##name,
#include "../../plan.def"
#undef PLAN_OP
};

int perform_op(struct sandbox *sb, uint32_t index, struct err *err) {
  const struct op *op = &sb->plan->ops[index];
  err->line = (int32_t)(sb->lines_before + index);
  return performers[op->code](sb, op, err);
}

int perform(struct sandbox *sb, uint32_t first, struct err *err) {
  for (uint32_t i = first; i < sb->plan->op_count; i++)
    if (perform_op(sb, i, err) < 0) return -1;
  return fail_with(err, EINVAL, "plan", "does not end with exec");
}

int receive(int control, void *bytes, size_t size, struct err *err) {
  char *at = bytes;
  while (size > 0) {
    ssize_t got = recv(control, at, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(err, "recv", "plan");
    if (got == 0) return fail_with(err, ECANCELED, "recv", "plan");
    at += got;
    size -= (size_t)got;
  }
  return 0;
}

int receive_plan(int control, struct plan *plan, struct err *err) {
  uint8_t header[PLAN_HEADER_BYTES];
  uint32_t size = 0;
  if (receive(control, header, sizeof header, err) < 0) return -1;
  if (plan_body_size(header, &size, err) < 0) return -1;
  char *body = malloc(size + 1);
  if (body == NULL) return fail_with(err, ENOMEM, "plan", "out of memory");
  if (receive(control, body, size, err) < 0) return -1;
  return plan_decode(body, size, plan, err);
}

/* Descriptors that were inherited across exec must not slip into the command; the exec closes what is marked here. */
static int mark_close_on_exec(struct err *err) {
  return sys_close_range(CONTROL_FD, ~0u, CLOSE_RANGE_CLOEXEC) < 0 ? fail(err, "close_range", "") : 0;
}

int prepare_program(const char *state, const char *task, struct err *err) {
  if (seal_binary(state, task, err) < 0 || mark_close_on_exec(err) < 0) return -1;
  /* Nobody inside may look into these processes by way of /proc; execve makes the command dumpable again. */
  return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? fail(err, "prctl", "PR_SET_DUMPABLE") : 0;
}

int run_step(void) {
  struct err err = {.line = -1};
  struct plan plan;
  struct sandbox sb = SANDBOX_INIT;
  sb.plan = &plan;
  if (receive_plan(sb.control, &plan, &err) == 0) perform(&sb, 0, &err);
  if (sb.report < 0) return send_failure(sb.control, &err) == 0 ? 0 : 1;
  struct report report = {.kind = REPORT_FAILED, .err = err};
  return report_send(sb.report, &report, -1) == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
  const char *task = argc > 1 ? argv[1] : "";
  const char *state = argc > 2 ? argv[2] : "";
  if (strcmp(task, "attach") == 0) return attach_main(argc - 2, argv + 2);
  if (strcmp(task, "emulate") == 0) return emulate_main(argc - 2, argv + 2);
  if (strcmp(task, "serve") == 0) return serve_main(state);
  struct err err = {.line = -1};
  if (prepare_program(state, "step", &err) == 0) return run_step();
  return send_failure(CONTROL_FD, &err) == 0 ? 0 : 1;
}
