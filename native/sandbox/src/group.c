/* Control groups of version 2: what processes in one may do with devices, and how to start in one. */
#define _GNU_SOURCE
#include <linux/bpf.h>
#include <string.h>

#include "sandbox.h"
#include "sys.h"

static int open_group(const char *path, struct err *err) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? fail(err, "open", path) : fd;
}

static int sys_bpf(int command, union bpf_attr *attr) { return (int)syscall(SYS_bpf, command, attr, sizeof *attr); }

static int load(const struct op *op, struct err *err) {
  union bpf_attr attr;
  uint64_t program[BPF_MAXINSNS];
  uint32_t size = op->arg[1].data.size;
  if (size % sizeof(struct bpf_insn) != 0 || size > sizeof program) return fail_with(err, EINVAL, "bpf", "size");
  /* The plan's bytes lie at any address. */
  memcpy(program, op->arg[1].data.bytes, size);
  memset(&attr, 0, sizeof attr);
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insns = (uint64_t)(uintptr_t)program;
  attr.insn_cnt = size / sizeof(struct bpf_insn);
  attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
  int fd = sys_bpf(BPF_PROG_LOAD, &attr);
  return fd < 0 ? fail(err, "bpf", "load") : fd;
}

/* Beside what the groups above it have: any of them may refuse. The group keeps the program until it is removed. */
static int attach(int group, int program, struct err *err) {
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.target_fd = (uint32_t)group;
  attr.attach_bpf_fd = (uint32_t)program;
  attr.attach_type = BPF_CGROUP_DEVICE;
  attr.attach_flags = BPF_F_ALLOW_MULTI;
  return sys_bpf(BPF_PROG_ATTACH, &attr) < 0 ? fail(err, "bpf", "attach") : 0;
}

int op_device_filter(struct sandbox *sb, const struct op *op, struct err *err) {
  if (sb->report >= 0) return fail_with(err, EINVAL, "device_filter", "after clone");
  int group = open_group(op->arg[0].data.bytes, err);
  if (group < 0) return -1;
  int program = load(op, err);
  int result = program < 0 ? -1 : attach(group, program, err);
  if (program >= 0) close(program);
  close(group);
  return result;
}

int op_into_group(struct sandbox *sb, const struct op *op, struct err *err) {
  sb->group = open_group(op->arg[0].data.bytes, err);
  return sb->group < 0 ? -1 : 0;
}
