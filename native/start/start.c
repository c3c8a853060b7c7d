/*
 * tsbuild-start FILE PROGRAM ARG…: reads the code of FILE into memory in pieces of 2 MiB if it is not there, and becomes PROGRAM.
 *
 * Where the kernel has Node's code in pages as large as the processor can map at once, a build takes an eighth less processor time than with pages
 * of 4 KiB, and one that finds everything in the cache a quarter less: fewer page faults, and above all fewer misses when addresses are translated. The
 * kernel has it so if it came into its cache in large pieces (ext4 from Linux 6.16 on, xfs long before). It reads a program as it is run, though: in
 * small pieces, wherever it goes next. So the first start after a while reads the code first, in order, with the advice that makes the pieces large; that
 * takes less time than it spares the same start.
 *
 * There is no libc in here: the start of a static one takes five times as long as all of this does.
 */
#include <elf.h>
#include <linux/fadvise.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>

#ifndef __x86_64__
#error "the Node that comes with tsbuild is for x86-64 alone"
#endif

enum {
  PAGE = 4096,
  HEADER_BYTES = 4096,
  /* One page in each so many bytes is asked for: the kernel reads ahead, so that its neighbours are as it is. */
  SAMPLE_BYTES = 512 * 1024,
  /*
   * In Node's file come first its own code, that of V8 and of libuv, then that of libraries, of which what compiles hot functions is at the end: less
   * used, and a large page counts whole for a process that uses any of it. As in scripts/node-pages.ts.
   */
  LARGE_BYTES = 32 * 1024 * 1024,
  STDERR = 2,
  CANNOT_EXECUTE = 126,
};

#define PROT_READ_ONLY 1
#define OPEN_READ_ONLY 0

static long system_call(long number, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

static long call3(long number, long a, long b, long c) { return system_call(number, a, b, c, 0, 0, 0); }

/* Up to where a program has code, in its file. 0 for what is no program of this kind. */
static size_t end_of_code(const unsigned char *header, size_t size) {
  const Elf64_Ehdr *elf = (const Elf64_Ehdr *)header;
  if (size < sizeof *elf || elf->e_ident[EI_MAG0] != ELFMAG0 || elf->e_ident[EI_MAG1] != ELFMAG1 ||
      elf->e_ident[EI_MAG2] != ELFMAG2 || elf->e_ident[EI_MAG3] != ELFMAG3 || elf->e_ident[EI_CLASS] != ELFCLASS64)
    return 0;
  if (elf->e_phentsize != sizeof(Elf64_Phdr) || elf->e_phoff % _Alignof(Elf64_Phdr) != 0 || elf->e_phoff > size ||
      elf->e_phnum > (size - elf->e_phoff) / sizeof(Elf64_Phdr))
    return 0;
  const Elf64_Phdr *segments = (const Elf64_Phdr *)(header + elf->e_phoff);
  size_t end = 0;
  for (size_t at = 0; at < elf->e_phnum; at++) {
    size_t to;
    if (segments[at].p_type != PT_LOAD || (segments[at].p_flags & PF_X) == 0) continue;
    if (__builtin_add_overflow(segments[at].p_offset, segments[at].p_filesz, &to)) return 0;
    if (to > end) end = to;
  }
  return end;
}

/* Less than a quarter of it is in the kernel's cache. To those who may not know, the kernel says that all is. */
static bool is_cold(const unsigned char *mapped, size_t size) {
  size_t asked = 0, found = 0;
  for (size_t at = 0; at < size; at += SAMPLE_BYTES) {
    unsigned char resident = 0;
    if (call3(SYS_mincore, (long)(mapped + at), 1, (long)&resident) < 0) return false;
    asked++;
    found += resident & 1U;
  }
  return found * 4 < asked;
}

/* A file that cannot be read so is read as it is run: nothing that goes wrong in here is worth a word. */
static void warm(const char *path) {
  _Alignas(Elf64_Phdr) unsigned char header[HEADER_BYTES];
  long fd = call3(SYS_open, (long)path, OPEN_READ_ONLY | O_CLOEXEC, 0);
  if (fd < 0) return;
  long read = call3(SYS_read, fd, (long)header, sizeof header);
  size_t size = read < 0 ? 0 : end_of_code(header, (size_t)read);
  if (size > LARGE_BYTES) size = LARGE_BYTES;
  if (size == 0) return;
  long mapped = system_call(SYS_mmap, 0, (long)size, PROT_READ_ONLY, MAP_PRIVATE, fd, 0);
  if (mapped < 0 || !is_cold((const unsigned char *)mapped, size)) return;
  /* What is there in small pages would stay so. */
  system_call(SYS_fadvise64, fd, 0, (long)size, POSIX_FADV_DONTNEED, 0, 0);
  call3(SYS_madvise, mapped, (long)size, MADV_HUGEPAGE);
  call3(SYS_madvise, mapped, (long)size, MADV_POPULATE_READ);
}

static void say(const char *text) {
  size_t length = 0;
  while (text[length] != '\0') length++;
  call3(SYS_write, STDERR, (long)text, (long)length);
}

/* What the kernel leaves on a new program's stack: the number of arguments, they, a null, and the environment. */
__attribute__((noreturn, used)) static void start(long *stack) {
  long count = *stack;
  char **arguments = (char **)(stack + 1);
  if (count > 2) {
    warm(arguments[1]);
    call3(SYS_execve, (long)arguments[2], (long)(arguments + 2), (long)(arguments + count + 1));
    say("tsbuild-start: cannot execute ");
    say(arguments[2]);
    say("\n");
  } else {
    say("usage: tsbuild-start FILE PROGRAM ARG...\n");
  }
  for (;;) call3(SYS_exit_group, CANNOT_EXECUTE, 0, 0);
}

__asm__(".globl _start\n"
        "_start:\n"
        "  xor %ebp, %ebp\n"
        "  mov %rsp, %rdi\n"
        "  and $-16, %rsp\n"
        "  call start\n");
