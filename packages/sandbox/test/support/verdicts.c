/*
 * verdicts [FILTER]: asks the kernel for the seccomp verdict on every system call number, by three doors: the 64-bit one, the same with
 * x32's bit, and int 0x80. Nothing is executed: a second filter lets a tracer see each call that the first allows, and the tracer
 * skips it. One line each: "door number argument verdict", the verdict an errno, or 0 for allowed. FILTER: a program (struct
 * sock_filter[]) to install first; without it, what holds in this process already is what is asked.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NUMBERS = 700, ARGUMENTS = 6, DOORS = 3, ALLOWED = 54321, UNASKED = 54322, X32_BIT = 0x40000000 };

static const unsigned long arguments[ARGUMENTS] = {0, 38, 40, 0x7e020000, 0x100000028, ~0ul};
static const char *const doors[DOORS] = {"x86-64", "x32", "i386"};

struct results {
  volatile int done;
  int verdict[DOORS][NUMBERS][ARGUMENTS];
};

/* uretprobe and uprobe: the kernel's own trampolines, which no filter sees, and which kill any other caller. */
static int bypasses_filters(unsigned long number) {
  return number == 335 || number == 336;
}

static long call64(unsigned long number, unsigned long argument) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(argument), "S"(0), "d"(0) : "rcx", "r11", "memory");
  return result;
}

static long call32(unsigned long number, unsigned long argument) {
  int result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"((int)number), "b"(argument), "c"(0), "d"(0) : "memory", "r8", "r9", "r10", "r11");
  return result;
}

static void install(struct sock_filter *program, size_t bytes) {
  struct sock_fprog fprog = {.len = (unsigned short)(bytes / sizeof *program), .filter = program};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &fprog) < 0) _exit(3);
}

static void install_file(const char *path) {
  static struct sock_filter program[BPF_MAXINSNS];
  FILE *file = fopen(path, "r");
  if (file == NULL) _exit(4);
  install(program, fread(program, 1, sizeof program, file));
}

/* Of errors and traces the kernel takes the error: only what the other filter allows reaches the tracer. */
static _Noreturn void ask(struct results *results, const char *filter) {
  static struct sock_filter trace_all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE)};
  if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0) _exit(5);
  raise(SIGSTOP);
  if (filter != NULL) install_file(filter);
  install(trace_all, sizeof trace_all);
  for (unsigned long number = 0; number < NUMBERS; number++) {
    for (int i = 0; i < ARGUMENTS; i++) {
      results->verdict[0][number][i] = bypasses_filters(number) ? UNASKED : (int)call64(number, arguments[i]);
      results->verdict[1][number][i] = (int)call64(number | X32_BIT, arguments[i]);
      results->verdict[2][number][i] = (int)call32(number, arguments[i]);
    }
  }
  results->done = 1;
  for (;;) call64(39, 0);
}

static int skip(pid_t pid) {
  struct user_regs_struct regs;
  if (ptrace(PTRACE_GETREGS, pid, 0, &regs) < 0) return -1;
  regs.orig_rax = ~0ull;
  regs.rax = ALLOWED;
  return (int)ptrace(PTRACE_SETREGS, pid, 0, &regs);
}

static int watch(pid_t pid, const struct results *results) {
  int status;
  if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) return 6;
  if (ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL) < 0) return 7;
  while (!results->done) {
    if (ptrace(PTRACE_CONT, pid, 0, 0) < 0 || waitpid(pid, &status, 0) != pid) return 8;
    if (status >> 8 != (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) return WIFEXITED(status) ? WEXITSTATUS(status) : 9;
    if (!results->done && skip(pid) < 0) return 10;
  }
  return kill(pid, SIGKILL) < 0 ? 11 : 0;
}

int main(int argc, char **argv) {
  struct results *results = mmap(NULL, sizeof *results, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (results == MAP_FAILED) return 2;
  pid_t pid = fork();
  if (pid == 0) ask(results, argc > 1 ? argv[1] : NULL);
  int failed = watch(pid, results);
  if (failed != 0) return failed;
  for (int door = 0; door < DOORS; door++) {
    for (int number = 0; number < NUMBERS; number++) {
      for (int i = 0; i < ARGUMENTS; i++) {
        int verdict = results->verdict[door][number][i];
        if (verdict == UNASKED) continue;
        printf("%s %d %lu %d\n", doors[door], number, arguments[i], verdict == ALLOWED ? 0 : -verdict);
      }
    }
  }
  return 0;
}
