import { TsbuildError } from "@tsbuild/base";
import type { Isolation } from "@tsbuild/ops";
import { CAP_SYS_ADMIN, CAP_SYS_CHROOT, hasCapability } from "./capabilities.ts";

type Env = Readonly<Record<string, string | undefined>>;

/**
 * `auto`: a chroot where no namespace can be made and nothing mounted, for want of CAP_SYS_ADMIN, as for root in a container that refuses user namespaces.
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
  const chroots = hasCapability(CAP_SYS_CHROOT);
  if (given === "auto") return chroots && !hasCapability(CAP_SYS_ADMIN) ? "chroot" : "sandbox";
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
