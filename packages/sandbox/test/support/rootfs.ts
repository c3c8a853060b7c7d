/** Root file systems for system tests: busybox below, a fresh overlay on top for each run. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const O_PATH = 0o10000000;

/** Why system tests cannot run here; undefined if they can. */
export function missingForSystemTests(): string | undefined {
  if (process.getuid?.() !== 0) return "not root";
  if (!existsSync("/usr/bin/busybox")) return "no /usr/bin/busybox";
  return undefined;
}

export interface OverlayRoot {
  /** Of a detached overlay mount. */
  readonly fd: number;
  /** Host path of what the step writes. */
  readonly upper: string;
  close(): void;
}

export class TestRoots {
  readonly folder: string = mkdtempSync(join(tmpdir(), "tsbuild-sandbox-"));
  readonly #lower = join(this.folder, "lower");
  readonly #holder = join(this.folder, "hold-root");
  #count = 0;

  constructor() {
    const source = fileURLToPath(new URL("hold-root.c", import.meta.url));
    execFileSync("cc", ["-O1", "-o", this.#holder, source], { stdio: "inherit" });
    for (const name of ["bin", "proc", "dev", "sys", "tmp", "etc", "mnt", "src"]) {
      mkdirSync(join(this.#lower, name), { recursive: true });
    }
    copyFileSync("/usr/bin/busybox", join(this.#lower, "bin/busybox"));
    execFileSync("/usr/bin/busybox", ["--list"], { encoding: "utf8" })
      .split("\n")
      .filter((name) => name !== "" && name !== "busybox")
      .forEach((name) => void symlinkSync("busybox", join(this.#lower, "bin", name)));
    writeFileSync(join(this.#lower, "etc/hosts"), "");
    writeFileSync(join(this.#lower, "bin/not-executable"), "#!/bin/sh\n", { mode: 0o644 });
  }

  /** Compiles a program of this folder into /bin of the lower layer. */
  addProgram(name: string): void {
    const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
    execFileSync("cc", ["-static", "-O1", "-o", this.lowerPath(`bin/${name}`), source], { stdio: "inherit" });
  }

  /** A file of the lower layer, for programs that tests bring along. */
  lowerPath(path: string): string {
    return join(this.#lower, path);
  }

  async open(): Promise<OverlayRoot> {
    const base = join(this.folder, `${this.#count++}`);
    const [upper, work] = [join(base, "upper"), join(base, "work")];
    for (const path of [upper, work]) mkdirSync(path, { recursive: true });
    const holder = spawn(this.#holder, [this.#lower, upper, work], { stdio: ["pipe", "pipe", "inherit"] });
    const [line] = (await once(holder.stdout, "data")) as [Buffer];
    const fd = openSync(`/proc/${holder.pid}/fd/${line.toString().trim()}`, O_PATH);
    const close = (): void => {
      closeSync(fd);
      holder.stdin.end();
    };
    return { fd, upper, close };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
