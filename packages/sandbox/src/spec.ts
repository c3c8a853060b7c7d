/**
 * One process to run: plain data. Everything of the host that the process may touch is handed over as an open file
 * descriptor of this process, already resolved by whoever knows its meaning: no host path is looked up by name here.
 */
export interface ExecSpec {
  /**
   * Root of a (detached, writable) mount that becomes `/`. Good for one `run`: before Linux 6.15 the mount itself is taken into
   * the step's namespace and detached with it. The descriptor stays open and usable for files; the caller closes it.
   */
  readonly rootFd: number;
  /** True: `/` is remounted read-only after the mount points exist. */
  readonly readonlyRoot: boolean;
  readonly args: readonly string[];
  /** `K=V`; complete: nothing of the host's environment is added. */
  readonly env: readonly string[];
  /** Absolute path inside the root; must exist. */
  readonly cwd: string;
  readonly user: ExecUser;
  readonly hostname: string;
  /** In the order of mounting, after the system's own (/proc, /dev, /sys …). */
  readonly mounts: readonly ExecMount[];
  /**
   * The host's, none but a loopback of its own, or a network namespace that somebody else made and connected. `on-demand`: one of its
   * own, in which the first call that opens a socket waits until `ExecIo.connectNetwork` has connected it. Only where
   * `Sandbox.connectsOnDemand`, and for steps with a filter.
   */
  readonly network: "host" | "none" | "on-demand" | NetworkNamespace;
  readonly security: "sandbox" | "insecure";
  /**
   * AppArmor profile that the process enters: a step that cannot enter it fails. Default: `tsbuild-default` where it is loaded, else none;
   * `unconfined`: none. An insecure step enters none.
   */
  readonly apparmorProfile?: string | undefined;
  /**
   * Descriptor of a user namespace that the process joins before it becomes its user: one in which programs of another machine are
   * emulated (see `Emulations`). It has the ids of this one under the same numbers.
   */
  readonly userNamespace?: number | undefined;
  readonly rlimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  /** Bytes of /dev/shm. */
  readonly shmSizeBytes: number;
  readonly cgroup: {
    /**
     * Absolute path of the group, in each hierarchy, below which the step's own is made; "": `tsbuild` below this process's
     * group. A group is made only if a limit, a parent or a device rule asks for one; limits that cannot be set (no rights, controller
     * missing) are left out, and `ExecIo.onNotice` hears which.
     */
    readonly parent: string;
    readonly memoryBytes?: number | undefined;
    /** Memory and swap together; -1: unlimited; default: `memoryBytes`, so no swap. */
    readonly memorySwapBytes?: number | undefined;
    /** Weight beside other groups; 1024 is the usual one. */
    readonly cpuShares?: number | undefined;
    readonly cpusetCpus?: string | undefined;
    readonly cpusetMems?: string | undefined;
    readonly cpuQuotaUs?: number | undefined;
    readonly cpuPeriodUs?: number | undefined;
    readonly pids?: number | undefined;
  };
  /** Name of the step for the cgroup and messages: `[a-z0-9-]+`. */
  readonly id: string;
  /**
   * `log`: stdin is /dev/null, output goes to `ExecIo`. `input`: the same, but stdin is a pipe with what comes in on this process's own.
   * `terminal`: a terminal of the step's own, joined to that of this process's stdin (raw meanwhile) and to its stdout. The step
   * never gets hold of a descriptor of the caller's.
   */
  readonly stdio: "log" | "input" | "terminal";
}

/** A descriptor of a network namespace (`/proc/PID/ns/net`); stays the caller's. */
export interface NetworkNamespace {
  readonly fd: number;
}

export interface ExecUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
}

export type ExecMount =
  /** A folder or file of the host, or the root of a detached mount. `sourcePath` is resolved beneath the fd. */
  | {
      readonly type: "bind";
      readonly fd: number;
      readonly sourcePath: string;
      /** What the source is; decides what its mount point has to be. */
      readonly kind: "folder" | "file";
      readonly dest: string;
      readonly readonly: boolean;
    }
  | {
      readonly type: "tmpfs";
      readonly dest: string;
      readonly sizeBytes?: number | undefined;
      readonly mode: number;
    };

export interface ExecOutcome {
  /** Exit code; 128+n when a signal n ended it. */
  readonly exitCode: number;
  readonly signal?: string | undefined;
  /** The kernel killed a process of the step for want of memory. */
  readonly oomKilled: boolean;
  /** Of the step's control group; without one, of the largest single process. */
  readonly peakMemoryBytes?: number | undefined;
  /** Of all processes together. */
  readonly cpuUs?: number | undefined;
}

export interface ExecIo {
  readonly stdout: (chunk: Uint8Array) => void;
  readonly stderr: (chunk: Uint8Array) => void;
  readonly signal: AbortSignal;
  /**
   * Connects the step's network, whose namespace is at this path, when the step wants it: at most once. A rejection ends the step and is
   * its error.
   */
  readonly connectNetwork?: ((namespace: string) => Promise<void>) | undefined;
  /** Hears, before the process runs, what of the spec this machine does without: a sentence each, the same for each such step. */
  readonly onNotice?: ((text: string) => void) | undefined;
  /** Hears once, before the process runs, how to send it signals (numbers); ones that come too early wait, ones too late are lost. */
  readonly onStart?: ((send: (signal: number) => void) => void) | undefined;
}

/**
 * Runs a process and waits for it. When it resolves, no process of the step is left. On abort the whole pid namespace gets
 * SIGKILL and the promise rejects with TSB_CANCELED. A sandbox that cannot be set up rejects with TSB_SANDBOX and names the
 * call, errno and line of the plan; a program that cannot be executed (missing, no permission) is an outcome with exit code
 * 127 or 126 and a line on stderr, as a shell would have it.
 */
export interface Sandbox {
  /** Steps may have a network on demand. */
  readonly connectsOnDemand: boolean;
  /**
   * Such a step will be run soon: what can be done of it before its root, mounts and user are known (all of which are ignored) is begun. One
   * that turns out otherwise, or never comes, costs some milliseconds of a processor.
   */
  expect?(spec: ExecSpec): void;
  run(spec: ExecSpec, io: ExecIo): Promise<ExecOutcome>;
}
