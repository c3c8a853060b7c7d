/** Defences of tsbuild, each with the edit that takes it away and the tests that have to notice. Read by weaken.ts. */

export interface Edit {
  /** From the repository's root. */
  readonly file: string;
  /** Occurs there exactly once. */
  readonly from: string;
  readonly to: string;
}

export interface Weakening {
  readonly name: string;
  /** More than one where a second defence stands behind the first: then both are gone. */
  readonly edits: readonly Edit[];
  /** Files or folders of tests, `FILE: PATTERN` for those whose names match: one test at least has to fail. */
  readonly tests: readonly string[];
}

const SANDBOX = "native/sandbox/src";
const POLICY = "packages/sandbox/src";
const ATTACKS = "test/attacks";
const CALLS = `${ATTACKS}/kernel.test.ts: native sandbox it reaches none`;
const HOST = `${ATTACKS}/kernel.test.ts: native sandbox the host's processes`;
const MASKS = `${ATTACKS}/kernel.test.ts: native sandbox masked files`;
const SHARED_MOUNTS = `${ATTACKS}/shared-mounts.test.ts: native sandbox.*links of the cache`;
const SYSTEM = "packages/sandbox/test/sandbox.system.test.ts";

/** Ways out of a step, by words of their names. */
function wayOut(words: string): string {
  return `${ATTACKS}/escape.test.ts: native sandbox.*${words}`;
}

function inputs(words: string): string {
  return `${ATTACKS}/inputs.test.ts: ${words}`;
}

const HOSTILE = "packages/oci/test/hostile.system.test.ts";

function one(
  name: string,
  file: string,
  [from, to]: readonly [string, string],
  ...tests: string[]
): Weakening {
  return { name, edits: [{ file, from, to }], tests };
}

const CLOSED_EARLY = [
  'return sys_close_range(last + 1, ~0u, 0) < 0 ? fail(err, "close_range", "") : 0;',
  "return (void)last, 0;",
] as const;

/**
 * What the program that performs plans does. Not here: pivot_root. With a chroot in its place nobody gets out either, as the step's root
 * lies over the old one, and `..` of it leads back into it.
 */
const PROGRAM: readonly Weakening[] = [
  one(
    "sandbox: paths of the root are resolved in the root (openat2, RESOLVE_IN_ROOT)",
    `${SANDBOX}/resolve.h`,
    ["#define RESOLVE_INSIDE (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)", "#define RESOLVE_INSIDE 0"],
    SHARED_MOUNTS,
  ),
  one(
    "sandbox: descriptors are closed before paths of the image are looked up",
    `${SANDBOX}/mounts.c`,
    CLOSED_EARLY,
    wayOut("no program is found"),
  ),
  /* Alone nobody misses it: PID 1, too, has closed what leads out by then. It stands for the day on which one does not. */
  {
    name: "sandbox: the working folder is not found by magic links, nor by descriptors that stayed open",
    edits: [
      { file: `${SANDBOX}/mounts.c`, from: CLOSED_EARLY[0], to: CLOSED_EARLY[1] },
      {
        file: `${SANDBOX}/identity.c`,
        from: "O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_NO_MAGICLINKS",
        to: "O_PATH | O_DIRECTORY | O_CLOEXEC, 0",
      },
    ],
    tests: [wayOut("no descriptor is a working")],
  },
  one(
    "sandbox: mounts of a step propagate nowhere",
    `${SANDBOX}/mounts.c`,
    ["if (make_private(err) < 0) return -1;", "if (op == NULL) return make_private(err);"],
    wayOut("appear nowhere"),
  ),
  one(
    "sandbox: mounts of who connects a network propagate nowhere",
    `${POLICY}/network/connect.ts`,
    ['{ op: "private_mounts" },', ""],
    wayOut("appear nowhere"),
  ),
  {
    name: "sandbox: the program runs from a read-only mount, and PID 1 cannot be looked into",
    edits: [
      { file: `${SANDBOX}/seal.c`, from: "{.attr_set = MOUNT_ATTR_RDONLY}", to: "{.attr_set = 0}" },
      {
        file: `${SANDBOX}/main.c`,
        from: "prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0",
        to: "prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0",
      },
    ],
    tests: [wayOut("overwritten")],
  },
  one(
    "sandbox: PID 1 cannot be looked into (not dumpable)",
    `${SANDBOX}/main.c`,
    ["prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0", "prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0"],
    CALLS,
  ),
  one(
    "sandbox: PID 1 keeps no capability",
    `${SANDBOX}/process.c`,
    ["if (op_capabilities(sb, &none, &err) < 0) _exit(1);", "(void)none, (void)err;"],
    SYSTEM,
    CALLS,
  ),
  one(
    "sandbox: capabilities beyond the step's leave the bounding set",
    `${SANDBOX}/identity.c`,
    ["if (op->arg[0].number >> cap & 1) continue;", "if (op != NULL) continue;"],
    CALLS,
  ),
  one(
    "sandbox: the filter is installed",
    `${SANDBOX}/identity.c`,
    [
      "int result = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, waits ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0, &filter);",
      "int result = filter.len == 0; waits = 0;",
    ],
    CALLS,
  ),
  one(
    "sandbox: a step has a session of its own (no controlling terminal)",
    `${SANDBOX}/identity.c`,
    ['return setsid() < 0 ? fail(err, "setsid", "") : 0;', "return (void)err, 0;"],
    `${ATTACKS}/terminal.test.ts: native sandbox.*of the builder`,
  ),
  {
    name: "sandbox: a step on a terminal gets one of its own and never the caller's",
    edits: [
      {
        file: `${SANDBOX}/console.c`,
        from: 'if (dup2(slave, i) < 0) return fail(err, "dup2", "terminal");',
        to: 'if (slave < 0) return fail(err, "dup2", "terminal");',
      },
      {
        file: `${SANDBOX}/console.c`,
        from: 'return ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0 ? fail(err, "ioctl", "TIOCSCTTY") : 0;',
        to: "return (void)err, 0;",
      },
    ],
    tests: [`${ATTACKS}/terminal.test.ts: native sandbox.*(given to a command|of a shell in a failed step)`],
  },
  one(
    "sandbox: a profile's name is written to the kernel's /proc and nowhere else",
    `${SANDBOX}/confine.c`,
    [
      "fs.f_type == PROC_SUPER_MAGIC && fstat(proc, &st) == 0 && st.st_ino == PROC_ROOT",
      "fs.f_type != 0 && fstat(proc, &st) == 0",
    ],
    `${SYSTEM}: in the place of /proc`,
  ),
  one(
    "sandbox: a step has a session keyring of its own",
    `${SANDBOX}/identity.c`,
    [
      "if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, op->arg[0].data.bytes, 0, 0, 0) >= 0) return 0;",
      "if (op != NULL) return 0;",
    ],
    SYSTEM,
  ),
  one(
    "sandbox: PID 1 dies with the supervisor",
    `${SANDBOX}/process.c`,
    ["prctl(PR_SET_PDEATHSIG, sb->adopts ? SIGTERM : SIGKILL, 0, 0, 0) < 0", "report < 0"],
    "packages/sandbox/test/lifecycle.system.test.ts",
  ),
  /* The check alone nobody misses: what is hidden is hidden before the step can mount anything over /dev. */
  {
    name: "sandbox: paths are hidden by the null device and nothing else, before a step's mounts",
    edits: [
      {
        file: `${SANDBOX}/mounts.c`,
        from: "if (fstat(null, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) return null;",
        to: "if (fstat(null, &st) == 0 && makedev(1, 3) != 0) return null;",
      },
      {
        file: `${POLICY}/plan-mounts.ts`,
        from: "...(i === last ? hidden(spec) : []),",
        to: "...(last < 0 ? hidden(spec) : []),",
      },
      {
        file: `${POLICY}/plan-mounts.ts`,
        from: "...workingFolder(spec.process.cwd, mounted),",
        to: "...hidden(spec), ...workingFolder(spec.process.cwd, mounted),",
      },
    ],
    tests: [SYSTEM],
  },
  one(
    "sandbox: nothing is mounted where a runtime mounts its own",
    `${SANDBOX}/resolve.c`,
    [
      "if (target < 0 || sb->aside == NULL || !is_of_runtime(sb, target)) return target;",
      "if (target < 0 || sb->aside == NULL || is_of_runtime(sb, target) || target >= 0) return target;",
    ],
    "native/sandbox/test/program.system.test.ts",
  ),
];

/** What a plan says. */
const PLANS: readonly Weakening[] = [
  one(
    "policy: an OCI runtime is told of no mount of the step",
    `${POLICY}/oci-bundle.ts`,
    [
      "return SYSTEM_MOUNT_POINTS.includes(dest) || isInsideMount(dest, SYSTEM_MOUNT_POINTS);",
      'return dest !== "";',
    ],
    "packages/sandbox/test/oci-bundle.test.ts",
  ),
  one(
    "policy: files of /proc that show the host are masked",
    `${POLICY}/oci-spec.ts`,
    ['  "/proc/keys",\n', ""],
    MASKS,
  ),
  one(
    "policy: /proc/sys is read-only",
    `${POLICY}/oci-spec.ts`,
    ['"/proc/irq", "/proc/sys", ', '"/proc/irq", '],
    MASKS,
  ),
  one(
    "policy: /sys is read-only",
    `${POLICY}/oci-spec.ts`,
    [
      'const access = spec.security === "insecure" ? "rw" : "ro";',
      'const access = spec.security === "insecure" ? "rw" : "rw";',
    ],
    MASKS,
  ),
  one(
    "policy: no CAP_SYS_ADMIN",
    `${POLICY}/capabilities.ts`,
    [
      '  "CAP_KILL",\n  "CAP_AUDIT_WRITE",\n];',
      '  "CAP_KILL",\n  "CAP_SYS_ADMIN",\n  "CAP_AUDIT_WRITE",\n];',
    ],
    CALLS,
  ),
  one(
    "policy: no CAP_SYS_PTRACE",
    `${POLICY}/capabilities.ts`,
    [
      '  "CAP_KILL",\n  "CAP_AUDIT_WRITE",\n];',
      '  "CAP_KILL",\n  "CAP_SYS_PTRACE",\n  "CAP_AUDIT_WRITE",\n];',
    ],
    CALLS,
  ),
  ...["bpf", "perf_event_open", "open_by_handle_at", "unshare"].map((calls) =>
    one(
      `policy: the filter lets nobody call ${calls}`,
      `${POLICY}/seccomp/profile.ts`,
      [
        "process_vm_readv process_vm_writev ptrace\n`;",
        `process_vm_readv process_vm_writev ptrace ${calls}\n\`;`,
      ],
      CALLS,
    ),
  ),
  one(
    "policy: sockets of the kernel's crypto and the hypervisor are refused",
    `${POLICY}/seccomp/profile.ts`,
    [
      'allow(["socket"], { index: 0, value: AF_ALG, op: "SCMP_CMP_LT" })',
      'allow(["socket"], { index: 0, value: 99, op: "SCMP_CMP_LT" })',
    ],
    "packages/sandbox/test/seccomp.system.test.ts",
    "packages/sandbox/test/seccomp.test.ts",
  ),
  {
    name: "policy: device nodes of steps and archives open nothing",
    edits: [
      {
        file: `${POLICY}/plan.ts`,
        from: "const confined = spec.linux.maskedPaths.length > 0 && !guarded;",
        to: "const confined = !guarded && false;",
      },
      {
        file: `${POLICY}/run.ts`,
        from: 'if (security === "insecure") return undefined;',
        to: 'if (security !== "" || host === undefined) return undefined;',
      },
    ],
    tests: [CALLS],
  },
  one(
    "policy: a container's own /proc, where steps see it, is read-only",
    `${POLICY}/oci-spec.ts`,
    [
      'source: "/proc", options: ["rbind", ...options, "ro"] }',
      'source: "/proc", options: ["rbind", ...options] }',
    ],
    `${ATTACKS}/processes.test.ts: hides parts of /proc`,
  ),
  one(
    "policy: steps that see each other's processes are in user namespaces of their own",
    `${POLICY}/run.ts`,
    [
      "if (!sees || spec.userNamespace !== undefined)",
      "if (!sees || spec.userNamespace !== undefined || sees)",
    ],
    `${ATTACKS}/processes.test.ts: into another step`,
  ),
  one(
    "policy: processes of the host are not seen (pid namespace)",
    `${POLICY}/oci-spec.ts`,
    ['["mount", "pid", "ipc", "uts", "cgroup"]', '["mount", "ipc", "uts", "cgroup"]'],
    HOST,
  ),
  one(
    "policy: shared memory of the host is not seen (ipc namespace)",
    `${POLICY}/oci-spec.ts`,
    ['["mount", "pid", "ipc", "uts", "cgroup"]', '["mount", "pid", "uts", "cgroup"]'],
    SYSTEM,
  ),
  one(
    "policy: control groups of the host are not seen (cgroup namespace)",
    `${POLICY}/oci-spec.ts`,
    ['["mount", "pid", "ipc", "uts", "cgroup"]', '["mount", "pid", "ipc", "uts"]'],
    SYSTEM,
  ),
];

/** Archives, layers and trees. */
const TREES: readonly Weakening[] = [
  one(
    "trees: paths are resolved in their root (openat2, RESOLVE_IN_ROOT)",
    "native/fs/core/resolve.c",
    ["uint64_t flags = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;", "uint64_t flags = 0;"],
    `${ATTACKS}/copies.test.ts: destinations and their parents`,
  ),
  {
    name: "trees: a folder that has become a link is neither followed, nor what it leads to taken for what was there",
    edits: [
      {
        file: "native/fs/core/resolve.c",
        from: "return links == LINKS_REFUSE ? flags | RESOLVE_NO_SYMLINKS : flags;",
        to: "return (void)links, (void)flags, 0;",
      },
      {
        file: "native/fs/core/tree_copy.c",
        from: 'return err_detail(err, ESTALE, "copy", op.argument, "it is not what it was");',
        to: "return 0;",
      },
    ],
    tests: [`${ATTACKS}/copies.test.ts: a folder that becomes a link`],
  },
  one(
    "trees: what is no file is not opened as one",
    "native/fs/core/contents.c",
    ["if (!S_ISREG(stat->st_mode)) return not_regular(path, err);\n  cleanup_fd", "cleanup_fd"],
    "native/fs/test/apply.test.ts",
  ),
  one(
    "archives: absolute names and `..` are cut off at the root",
    "packages/oci/src/layer/member-path.ts",
    ["const normal = posix.normalize(`/${name}`).slice(1);", "const normal = name;"],
    HOSTILE,
  ),
  one(
    "archives: paths have a bound",
    "packages/oci/src/layer/member-path.ts",
    ["if (sizeBytes < limits.pathBytes) return path;", "if (sizeBytes < Infinity) return path;"],
    inputs("ten thousand folders"),
  ),
  one(
    "archives: headers have a bound",
    "packages/oci/src/tar/reader.ts",
    ["if (raw.size > limits.paxBytes)", "if (raw.size > Infinity)"],
    "packages/oci/test/tar.test.ts",
  ),
  one(
    "archives: sparse members are refused, whatever size they claim",
    "packages/oci/src/tar/reader.ts",
    ['key.startsWith("GNU.sparse.")', 'key.startsWith("none.")'],
    "packages/oci/test/tar.test.ts",
  ),
  one(
    "layers: a whiteout names one entry of its folder",
    "packages/oci/src/layer/unpack-layer.ts",
    ['if (hidden === "" || hidden === "." || hidden === "..")', 'if (hidden === "")'],
    HOSTILE,
  ),
  one(
    "layers: no xattr reaches into overlayfs or the host's policy",
    "packages/oci/src/layer/unpacker.ts",
    [".filter((xattr) => isImageXattr(xattr.name))", ""],
    "packages/oci/test/layer.system.test.ts",
  ),
  one(
    "layers: decompression has a bound",
    "packages/oci/src/compression/decompress.ts",
    ["size > freeBytes && size - freeBytes", "size < 0 && size - freeBytes"],
    inputs("decompresses without end"),
  ),
  one(
    "layers: a layer counts when it has its diff ID",
    "packages/ops/src/images/unpack-layer.ts",
    ["if (unpacked.diffId === job.diffId) {", 'if (unpacked.diffId !== "") {'],
    "test/attacks/layers.test.ts",
  ),
  one(
    "store: layers of another boot are trusted only when they are told to be on the disk",
    "packages/store/src/durability.ts",
    ["    trustSynced(database, done);", "    trustSynced(database, marks);"],
    "packages/store/test/durability.test.ts",
  ),
  one(
    "power cuts: the database is on the disk when tsbuild ends",
    "packages/store/src/database.ts",
    ["    if (!this.#hasWritten) return;", "    if (this.#hasWritten) return;"],
    "test/faults/power-cut.test.ts",
  ),
  one(
    "blobs: a blob counts when it has its digest",
    "packages/store/src/blobs.ts",
    ["    verify({ digest, size }, expected);\n    ", "    "],
    "packages/store/test",
  ),
  one(
    "files of the image: passwd is read to a limit",
    "packages/base/src/limits.ts",
    ["passwdBytes: 10 * 1024 * 1024", "passwdBytes: 1024 * 1024 * 1024 * 1024"],
    inputs("passwd and group"),
  ),
  one(
    "mount points: what a step put in the place of a stub stays",
    "packages/ops/src/exec/stubs.ts",
    [
      'if (stat === undefined || isFolder(stat) !== (stub.type === "folder") || !isEmpty(fs, root, stub))',
      "if (stat === undefined)",
    ],
    "test/e2e/exec.test.ts",
  ),
];

/** Secrets, rights and networks. */
const TRUST: readonly Weakening[] = [
  one(
    "secrets: values are masked in output",
    "packages/ops/src/grants/mask.ts",
    [
      "const found = this.#starts.has(data[at]!) ? this.#match(data, at) : undefined;",
      "const found = undefined as ReturnType<typeof this.#match>;",
    ],
    `${ATTACKS}/secrets.test.ts`,
  ),
  one(
    "secrets: an agent lists and signs, no more",
    "packages/ops/src/grants/agent-server.ts",
    ["const passed = type !== undefined && PASSED.has(type);", "const passed = type !== undefined;"],
    "packages/ops/test/agent.test.ts",
  ),
  one(
    "rights: every vertex is asked",
    "packages/engine/src/entitlements.ts",
    [
      "const allowed = new Set(request.allow ?? []);",
      'const allowed = new Set(["network.host", "security.insecure", ...(request.allow ?? [])]);',
    ],
    "test/e2e/grants.test.ts",
  ),
  one(
    "registries: a registry elsewhere names no token server of this machine",
    "packages/registry/src/tokens.ts",
    [
      "if (!isNear || isLoopback(host) || realm.hostname === hostname) return;",
      "if (isNear || host !== hostname) return;",
    ],
    "packages/registry/test/realms.test.ts",
  ),
  one(
    "registries: no password in clear over a network",
    "packages/registry/src/tokens.ts",
    [
      'if (request.credential === undefined || realm.protocol === "https:") return;',
      'if (realm.protocol !== "") return;',
    ],
    "packages/registry/test/realms.test.ts",
  ),
  one(
    "registries: credentials stay with their origin",
    "packages/registry/src/transport.ts",
    [
      "const own = authorization !== undefined && new URL(url).origin === origin;",
      'const own = authorization !== undefined && origin !== "";',
    ],
    "packages/registry/test",
  ),
  {
    name: "git: a URL is of four protocols and no option of git",
    edits: [
      {
        file: "packages/ops/src/git/request.ts",
        from: "if (known && !/[\\0-\\x20\\x7f]/.test(url)) return url;",
        to: 'if (known || url !== "") return url;',
      },
      {
        file: "packages/ops/src/git/command.ts",
        from: 'GIT_ALLOW_PROTOCOL: "http:https:ssh:git",',
        to: 'GIT_ALLOW_PROTOCOL: "http:https:ssh:git:file:ext",',
      },
    ],
    tests: ["packages/ops/test/git.test.ts"],
  },
  one(
    "output: no escape sequence of a stranger is printed",
    "packages/cli/src/sanitize.ts",
    ["const CONTROLS = /[\\x00-\\x08\\x0a-\\x1f\\x7f-\\x9f]/g;", "const CONTROLS = /[\\x00-\\x06]/g;"],
    "packages/cli/test",
  ),
  one(
    "state folder: its owner's alone",
    "packages/store/src/layout.ts",
    ["makeFolders(this.base, 0o700);", "makeFolders(this.base, 0o755);"],
    `${ATTACKS}/secrets.test.ts: its owner`,
  ),
];

export const weakenings: readonly Weakening[] = [...PROGRAM, ...PLANS, ...TREES, ...TRUST];
