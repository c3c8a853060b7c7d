/**
 * Docker's default seccomp profile (B003; moby profiles/seccomp): what a container may call. Everything else fails with EPERM,
 * and calls newer than the profile with ENOSYS (see compile.ts).
 */
import type { Capability } from "../capabilities.ts";
import type { SeccompArch } from "./numbers.ts";

/** linux.seccomp of the OCI runtime spec (config-linux.md), as far as tsbuild writes it. */
export interface LinuxSeccomp {
  readonly defaultAction: "SCMP_ACT_ERRNO";
  readonly defaultErrnoRet: number;
  readonly architectures: readonly SeccompArch[];
  readonly syscalls: readonly SeccompRule[];
}

export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: "SCMP_ACT_ALLOW" | "SCMP_ACT_ERRNO" | "SCMP_ACT_NOTIFY";
  readonly errnoRet?: number;
  /** All must hold. */
  readonly args?: readonly SeccompArgument[];
}

export interface SeccompArgument {
  readonly index: number;
  /** With MASKED_EQ the mask; the masked argument must equal `valueTwo`. */
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: "SCMP_CMP_EQ" | "SCMP_CMP_LT" | "SCMP_CMP_GT" | "SCMP_CMP_MASKED_EQ";
}

const ALWAYS = `
_llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32
clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1
epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit
exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown
fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64
fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv
futex_wake futimesat get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid
geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority
getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid
gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch
io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set
ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen
listmount listxattr listxattrat llistxattr lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack
membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect
mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink
mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat open
openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll
ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev
pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages
removexattr removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq rt_sigaction
rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64
rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile
sendfile64 sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid
setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid
setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr setxattrat
shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice
stat stat64 statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time
timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create
timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask
uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write
writev
process_vm_readv process_vm_writev ptrace
`;

/** Calls that come with a capability. */
const WITH_CAPABILITY: readonly (readonly [Capability, string])[] = [
  ["CAP_DAC_READ_SEARCH", "open_by_handle_at"],
  [
    "CAP_SYS_ADMIN",
    `bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules
     lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname
     sethostname setns syslog umount umount2 unshare`,
  ],
  ["CAP_SYS_BOOT", "reboot"],
  ["CAP_SYS_CHROOT", "chroot"],
  ["CAP_SYS_MODULE", "delete_module init_module finit_module"],
  ["CAP_SYS_PACCT", "acct"],
  ["CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"],
  ["CAP_SYS_RAWIO", "iopl ioperm"],
  ["CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"],
  ["CAP_SYS_TTY_CONFIG", "vhangup"],
  ["CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"],
  ["CAP_SYSLOG", "syslog"],
  ["CAP_BPF", "bpf"],
  ["CAP_PERFMON", "perf_event_open"],
];

const BY_MACHINE: Readonly<Record<SeccompMachine, { arches: readonly SeccompArch[]; names: string }>> = {
  /* 32-bit programs run in 64-bit images: their calls go through the same rules under their own numbers. */
  amd64: {
    arches: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    names: "arch_prctl modify_ldt",
  },
  arm64: {
    arches: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
    names: "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
  },
};

/** Machines that the profile can be compiled for, by Go's names. */
export type SeccompMachine = "amd64" | "arm64";

const AF_UNIX = 1;
/** The kernel's crypto by socket: a large surface that had holes. */
const AF_ALG = 38;
/** Reaches the hypervisor past every network namespace. */
const AF_VSOCK = 40;
/** PER_LINUX, PER_LINUX32, UNAME26 with both, and 0xffffffff, which only asks. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];
/** All CLONE_NEW* flags: namespaces are not for processes without CAP_SYS_ADMIN. */
const CLONE_NAMESPACES = 0x7e020000;
const ENOSYS = 38;

function words(text: string): string[] {
  return text.split(/\s+/).filter(Boolean);
}

function allow(names: readonly string[], ...args: readonly SeccompArgument[]): SeccompRule {
  return { names, action: "SCMP_ACT_ALLOW", ...(args.length > 0 ? { args } : {}) };
}

/** All families but two; libseccomp takes one comparison of an argument per rule. */
function allowedSockets(): SeccompRule[] {
  return [
    allow(["socket"], { index: 0, value: AF_ALG, op: "SCMP_CMP_LT" }),
    allow(["socket"], { index: 0, value: AF_ALG + 1, op: "SCMP_CMP_EQ" }),
    allow(["socket"], { index: 0, value: AF_VSOCK, op: "SCMP_CMP_GT" }),
  ];
}

/** Rules for processes that may not make namespaces. clone3 hides its flags in memory: ENOSYS sends C libraries back to clone. */
function restrictedClone(): SeccompRule[] {
  return [
    allow(["clone"], { index: 0, value: CLONE_NAMESPACES, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }),
    { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS },
  ];
}

/**
 * The same profile, but sockets of every family that is not local wait for a word of the supervisor: what opens none gets along without
 * a network. The 32-bit `socketcall` keeps its family in memory, where a filter cannot look.
 */
export function waitingForNetwork(profile: LinuxSeccomp): LinuxSeccomp {
  const wait = { action: "SCMP_ACT_NOTIFY" } as const;
  const isSocket = ({ names }: SeccompRule): boolean => names.includes("socket");
  return {
    ...profile,
    syscalls: [
      allow(["socket"], { index: 0, value: AF_UNIX, op: "SCMP_CMP_EQ" }),
      ...profile.syscalls.map((rule) => {
        if (isSocket(rule)) return { ...rule, ...wait };
        return { ...rule, names: rule.names.filter((name) => name !== "socketcall") };
      }),
      { names: ["socketcall"], ...wait },
    ],
  };
}

/** The profile for a process with these capabilities. */
export function defaultSeccomp(machine: SeccompMachine, capabilities: readonly Capability[]): LinuxSeccomp {
  const held = new Set(capabilities);
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 1,
    architectures: BY_MACHINE[machine].arches,
    syscalls: [
      allow(words(ALWAYS)),
      allow(words(BY_MACHINE[machine].names)),
      ...allowedSockets(),
      ...PERSONALITIES.map((value) => allow(["personality"], { index: 0, value, op: "SCMP_CMP_EQ" })),
      ...WITH_CAPABILITY.filter(([capability]) => held.has(capability)).map(([, names]) =>
        allow(words(names)),
      ),
      ...(held.has("CAP_SYS_ADMIN") ? [] : restrictedClone()),
    ],
  };
}
