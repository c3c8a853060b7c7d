/** Tools of the host for a shell in an image that has none (W002: `--debug-tools`). */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { TsbuildError } from "@tsbuild/base";
import type { ExecMount } from "@tsbuild/sandbox";
import type { OpsEnvironment } from "../environment.ts";
import { isStaticProgram } from "./static-program.ts";

/** Where they are in the step; also the last folder of its PATH. */
export const TOOLS_FOLDER = "/.tsbuild-tools";

export interface DebugTools {
  readonly mount: ExecMount;
  close(): void;
}

/** `busybox`: the host's, with a link for each of its applets; else a folder with a static `sh`. Throws TSB_USAGE. */
export function openTools(env: OpsEnvironment, source: string): DebugTools {
  const folder = source === "busybox" ? busyboxFolder(env) : givenFolder(source);
  const fd = env.fs.openFolder(folder);
  return {
    mount: { type: "bind", fd, sourcePath: "", kind: "folder", dest: TOOLS_FOLDER, readonly: true },
    close: () => env.fs.close(fd),
  };
}

function givenFolder(source: string): string {
  const folder = resolve(source);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new TsbuildError("TSB_USAGE", `--debug-tools: ${source} is no folder`, {
      hint: "--debug-tools takes busybox, or a folder with a static sh (./busybox for one of that name)",
    });
  }
  const shell = join(folder, "sh");
  if (!existsSync(shell)) {
    throw new TsbuildError("TSB_USAGE", `--debug-tools: ${source} has no sh`, {
      hint: `cp busybox ${folder}/ && ln -s busybox ${shell}`,
    });
  }
  refuseDynamic(shell);
  return folder;
}

const PLACES = ["/bin/busybox", "/usr/bin/busybox", "/usr/local/bin/busybox", "/sbin/busybox"];

/** A copy, so that links to it lie beside it: an applet is found by the name of its link. */
function busyboxFolder({ store }: OpsEnvironment): string {
  const program = PLACES.find((path) => existsSync(path));
  if (program === undefined) {
    throw new TsbuildError("TSB_USAGE", "--debug-tools busybox: this machine has no busybox", {
      hint: "install busybox-static, or name a folder with a static sh: --debug-tools FOLDER",
    });
  }
  refuseDynamic(program);
  const folder = store.temporaryFolder();
  // Whoever the step's user is has to get in.
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  copyFileSync(program, join(folder, "busybox"));
  const applets = execFileSync(program, ["--list"], { encoding: "utf8" }).split("\n");
  for (const name of new Set(["sh", ...applets])) {
    if (name !== "busybox" && /^[\w[.-]+$/.test(name)) symlinkSync("busybox", join(folder, name));
  }
  return folder;
}

/** A dynamic one would look for its loader and libraries in the image. */
function refuseDynamic(program: string): void {
  if (isStaticProgram(readFileSync(program))) return;
  throw new TsbuildError("TSB_USAGE", `--debug-tools: ${program} is no static program`, {
    hint: "its libraries are not in the image: take busybox-static, or another folder",
  });
}
