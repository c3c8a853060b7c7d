import { spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { asUser, handOver, type TestUser, testUser } from "./user.ts";

const repository = join(import.meta.dirname, "../..");
/**
 * What Node is given to run the program. The whole suite runs the bundle, which people get and which starts in a tenth of the time; a
 * single file that is run by hand tests the sources as they are.
 */
export const main = resolve(repository, process.env["TSBUILD_TEST_PROGRAM"] ?? "packages/cli/src/main.ts");

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** From the signal of `signalOn` to the end, in milliseconds; undefined when none was sent. */
  readonly afterSignalMs: number | undefined;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  /** Sends SIGKILL after this many milliseconds. */
  readonly killAfterMs?: number;
  /** Sends a signal once standard error matches. */
  readonly signalOn?: { readonly match: RegExp; readonly signal: NodeJS.Signals };
  /** Calls back once standard error matches. */
  readonly heard?: { readonly match: RegExp; readonly action: () => void };
  /** Sends SIGKILL when it is aborted. */
  readonly kill?: AbortSignal;
  /** Of `World.tsbuild`: words in front of the command. */
  readonly before?: readonly string[];
}

/** Runs a program to its end. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const env = { ...process.env, ...options.env };
  const child = spawn(program, args, { cwd: options.cwd, env, stdio: ["pipe", "pipe", "pipe"] });
  const timer =
    options.killAfterMs === undefined
      ? undefined
      : setTimeout(() => child.kill("SIGKILL"), options.killAfterMs);
  options.kill?.addEventListener("abort", () => child.kill("SIGKILL"));
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  let signaledAt: number | undefined;
  let heard = options.heard;
  child.stderr.on("data", (chunk: Buffer) => {
    err.push(chunk);
    if (heard?.match.test(Buffer.concat(err).toString("utf8")) === true) {
      heard.action();
      heard = undefined;
    }
    const { signalOn } = options;
    if (signalOn === undefined || signaledAt !== undefined) return;
    if (!signalOn.match.test(Buffer.concat(err).toString("utf8"))) return;
    signaledAt = performance.now();
    child.kill(signalOn.signal);
  });
  // The program may end before it has read everything.
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const text = (chunks: Buffer[]): string => Buffer.concat(chunks).toString("utf8");
      resolve({
        code: code ?? (signal === "SIGKILL" ? 137 : 143),
        stdout: text(out),
        stderr: text(err),
        afterSignalMs: signaledAt === undefined ? undefined : performance.now() - signaledAt,
      });
    });
  });
}

/** Fails with everything the program said unless it succeeded. */
export async function runOk(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const finished = await run(program, args, options);
  if (finished.code !== 0) {
    throw new Error(
      `${program} ${args.join(" ")}: exit ${finished.code}\n${finished.stdout}\n${finished.stderr}`,
    );
  }
  return finished;
}

/** Where a program is, or undefined. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

const FOR_A_USER = ["useradd", "userdel", "setpriv", "newuidmap", "newgidmap"];

/** Whom the vitest project `runc` has performing the steps of all builds; undefined: the native sandbox. */
export function ociRuntime(): string | undefined {
  return process.env["TSBUILD_OCI_RUNTIME"];
}

/** Why this machine cannot run tests that need root and these programs; undefined when it can. */
export function missing(...programs: readonly string[]): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  const runtime = ociRuntime();
  const needed = [
    ...programs,
    ...(process.env["TSBUILD_TEST_USER"] === undefined ? [] : FOR_A_USER),
    ...(runtime === undefined ? [] : [runtime]),
  ];
  const absent = needed.filter((name) => findProgram(name) === undefined);
  return absent.length === 0 ? undefined : `needs ${absent.join(", ")} (apt-get install)`;
}

/** A state folder and a scratch folder of their own, gone at the end: root's, or the user's whom the tests are run for. */
export class World {
  readonly user: TestUser | undefined;
  readonly folder = mkdtempSync(join(tmpdir(), "tsbuild-test-"));
  #outputs = 0;
  readonly root = join(this.folder, "state");
  readonly env: Record<string, string> = { TSBUILD_CONFIG: join(this.folder, "no-config.json") };

  constructor(options: { readonly user?: TestUser | undefined } = {}) {
    this.user = options.user ?? testUser();
    writeFileSync(join(this.folder, "no-config.json"), "{}");
    if (this.user !== undefined) Object.assign(this.env, { HOME: this.folder, USER: this.user.name });
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /** Writes files of a context; returns its folder. */
  context(name: string, files: Readonly<Record<string, string | Uint8Array>>): string {
    const folder = this.path(name);
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
    return folder;
  }

  tsbuild(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const env = { TSBUILD_ROOT: this.root, ...this.env, ...options.env };
    const [program = "", ...words] = [
      ...(options.before ?? []),
      ...this.identity(),
      process.execPath,
      "--disable-warning=ExperimentalWarning",
      main,
    ];
    return run(program, [...words, ...args], { ...options, env });
  }

  /** Words in front of a command of this world's user, who owns all of the folder from now on; none for root. */
  identity(): string[] {
    if (this.user === undefined) return [];
    handOver(this.user, this.folder, this.root);
    return asUser(this.user);
  }

  async ok(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const finished = await this.tsbuild(args, options);
    if (finished.code !== 0)
      throw new Error(
        `tsbuild ${args.join(" ")}: exit ${finished.code}\n${finished.stdout}\n${finished.stderr}`,
      );
    return finished;
  }

  /** Builds a context and returns the plain log. */
  async build(folder: string, ...flags: readonly string[]): Promise<string> {
    return (await this.ok(["build", "--progress=plain", ...flags, folder])).stderr;
  }

  /** Builds into a folder of its own; returns it. */
  async files(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
    const out = this.path(`out-${this.#outputs++}`);
    await this.ok(["build", "--progress=plain", "-o", out, ...args], { env });
    return out;
  }

  /** A build that has to fail; throws when it does not. */
  async failedBuild(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
    const finished = await this.tsbuild(["build", "--progress=none", "-o", "type=cacheonly", ...args], {
      env,
    });
    if (finished.code === 0) throw new Error(`tsbuild build ${args.join(" ")}: it did not fail`);
    return finished;
  }

  /** Standard output of a command of an image. */
  async inside(image: string, ...command: readonly string[]): Promise<string> {
    return (await this.ok(["run", image, ...command])).stdout;
  }

  /**
   * Resolves when what stays a moment after a command has ended, too: then nothing in the state folder changes any more. After a command that was
   * killed there may be nobody to wait for; then after ten seconds.
   */
  async settled(root: string = this.root): Promise<void> {
    const syncs = join(root, "v1/syncs");
    const begun = () => existsSync(syncs) && readdirSync(syncs).some((name) => name.endsWith(".begun"));
    const until = Date.now() + 10_000;
    while (Date.now() < until && (begun() || readdirSync(join(root, "v1/trash")).length > 0))
      await new Promise((resolve) => setTimeout(resolve, 20));
  }

  close(): void {
    // What stays a moment after a build may still put a file where others were just removed.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

const APPLETS =
  "sh ls cat echo mkdir rm stat touch test true false id env pwd ln cp mv chmod chown find sort head tail grep sed wc sleep ps kill mount hostname date readlink dd sha256sum tar wget nc du xargs tr cut printf awk seq basename dirname which mkfifo mknod adduser addgroup";

/** A root filesystem of busybox: the host's static binary and a link per applet. Returns the path of its tar. */
export async function busyboxTar(world: World): Promise<string> {
  const rootfs = world.path("busybox");
  for (const folder of [
    "bin",
    "etc",
    "root",
    "usr/bin",
    "usr/sbin",
    "sbin",
    "var",
    "proc",
    "sys",
    "dev",
    "home",
    "tmp",
  ]) {
    mkdirSync(join(rootfs, folder), { recursive: true });
  }
  chmodSync(join(rootfs, "tmp"), 0o1777);
  const busybox = findProgram("busybox");
  if (busybox === undefined) throw new Error("no busybox: ask missing() first");
  copyFileSync(busybox, join(rootfs, "bin/busybox"));
  chmodSync(join(rootfs, "bin/busybox"), 0o755);
  for (const applet of APPLETS.split(" ")) symlinkSync("busybox", join(rootfs, "bin", applet));
  writeFileSync(
    join(rootfs, "etc/passwd"),
    "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1001::/home/alice:/bin/sh\n",
  );
  writeFileSync(
    join(rootfs, "etc/group"),
    "root:x:0:\nalice:x:1001:\nstaff:x:50:alice\nwheel:x:10:alice,root\n",
  );
  const tar = world.path("busybox.tar");
  await runOk("tar", ["-C", rootfs, "--numeric-owner", "--owner=0", "--group=0", "-cf", tar, "."]);
  return tar;
}

/** Imports busybox as `busybox:latest`. */
export async function importBusybox(world: World): Promise<void> {
  await world.ok(["import", await busyboxTar(world), "busybox", "--change", 'CMD ["sh"]']);
}
