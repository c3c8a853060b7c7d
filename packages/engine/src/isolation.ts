import { readFileSync } from "node:fs";
import { TsbuildError } from "@tsbuild/base";
import type { Isolation } from "@tsbuild/ops";

type Env = Readonly<Record<string, string | undefined>>;

/** Numbers of capabilities(7). */
const CAP_SYS_CHROOT = 18;
const CAP_SYS_ADMIN = 21;

function effective(): bigint {
  const digits = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return digits === undefined ? 0n : BigInt(`0x${digits}`);
}

function has(capabilities: bigint, number: number): boolean {
  return ((capabilities >> BigInt(number)) & 1n) === 1n;
}

/**
 * `auto`: a chroot where no namespace can be made and nothing mounted, for want of CAP_SYS_ADMIN, as for root in an ordinary container.
 * An OCI runtime keeps steps apart by itself. Throws TSB_USAGE, and TSB_SANDBOX when not even chroot(2) is allowed.
 */
export function chooseIsolation(options: {
  readonly given: string | undefined;
  readonly env: Env;
  readonly ociRuntime: string | undefined;
}): Isolation {
  const { ociRuntime } = options;
  const given = options.given ?? (options.env["TSBUILD_ISOLATION"] || "auto");
  if (given === "sandbox") return given;
  if (given !== "auto" && given !== "chroot") throw unknown(given);
  if (given === "auto" && ociRuntime) return "sandbox";
  const capabilities = effective();
  const chroots = has(capabilities, CAP_SYS_CHROOT);
  if (given === "auto") return chroots && !has(capabilities, CAP_SYS_ADMIN) ? "chroot" : "sandbox";
  if (ociRuntime) throw contradiction(ociRuntime);
  if (!chroots) throw notAllowed();
  return given;
}

function unknown(given: string): TsbuildError {
  return new TsbuildError("TSB_USAGE", `unknown isolation ${JSON.stringify(given)}`, {
    hint: "--isolation and TSBUILD_ISOLATION take auto, sandbox, chroot",
  });
}

function contradiction(ociRuntime: string): TsbuildError {
  return new TsbuildError("TSB_USAGE", `--isolation=chroot runs no step in ${ociRuntime}`, {
    hint: "give one of --isolation and --oci-runtime",
  });
}

function notAllowed(): TsbuildError {
  return new TsbuildError("TSB_SANDBOX", "--isolation=chroot needs the capability CAP_SYS_CHROOT", {
    hint: "be root in the container, and let it keep SYS_CHROOT (Docker does so by default)",
  });
}
