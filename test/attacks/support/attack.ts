/** What the tests of attacks share: a world with something precious outside of every build, and builds that want it. */
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram, importBusybox, missing, type RunOptions, World } from "../../e2e/world.ts";

/** Says why a file of attacks is skipped; undefined when it can run. */
export function skipReason(name: string, ...programs: readonly string[]): string | undefined {
  const reason = missing("busybox", "tar", ...programs);
  if (reason !== undefined) process.stderr.write(`${name}: skipped: ${reason}\n`);
  return reason;
}

/** Who performs steps: tsbuild's own sandbox, and runc where it is installed. */
export const RUNTIMES: readonly (readonly [name: string, flags: readonly string[]])[] = [
  ["native", []],
  ...(findProgram("runc") === undefined ? [] : [["runc", ["--oci-runtime=runc"]] as const]),
];

export interface Attempt {
  readonly code: number;
  /** All that the build printed. */
  readonly log: string;
}

/** A state folder with busybox, and files of the host beside it that no build is given. */
export class AttackWorld extends World {
  readonly outside = this.path("outside");
  readonly precious = join(this.outside, "precious");
  readonly text = `precious-${process.pid}-${Date.now()}`;
  #count = 0;

  constructor() {
    super();
    mkdirSync(join(this.outside, "empty"), { recursive: true });
    writeFileSync(this.precious, this.text);
  }

  async start(): Promise<void> {
    await importBusybox(this);
    const busybox = findProgram("busybox") as string;
    // A program of the host that needs no library: it would run in any root.
    copyFileSync(busybox, join(this.outside, "busybox"));
    chmodSync(join(this.outside, "busybox"), 0o755);
  }

  /** Builds a Dockerfile; never throws for a build that fails. */
  async attempt(
    dockerfile: string | readonly string[],
    flags: readonly string[] = [],
    options: RunOptions & { readonly files?: Readonly<Record<string, string | Uint8Array>> } = {},
  ): Promise<Attempt> {
    const text = typeof dockerfile === "string" ? dockerfile : dockerfile.join("\n");
    const folder = this.context(`attack-${this.#count++}`, { Dockerfile: text, ...options.files });
    return this.attemptFolder(folder, flags, options);
  }

  async attemptFolder(
    folder: string,
    flags: readonly string[] = [],
    options: RunOptions = {},
  ): Promise<Attempt> {
    const args = ["build", "--progress=plain", "--no-cache", ...flags, folder];
    const { code, stdout, stderr } = await this.tsbuild(args, options);
    return { code, log: stdout + stderr };
  }

  /** The host's file is as it was. */
  get isIntact(): boolean {
    return readFileSync(this.precious, "utf8") === this.text;
  }
}

/** Compiles a program of this folder, statically: it runs in any root. */
export function compileProgram(name: string, to: string): void {
  const source = join(import.meta.dirname, `${name}.c`);
  execFileSync("cc", ["-static", "-O1", "-Wall", "-o", to, source], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}
