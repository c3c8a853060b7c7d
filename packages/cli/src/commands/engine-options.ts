import type { EngineOptions } from "@tsbuild/engine";
import type { ParsedFlags } from "../flags/parse.ts";
import { parseSecurityOpts } from "../flags/security-opt.ts";
import type { CommandIo } from "../io.ts";

/** What the flags of a command that runs steps say about the engine. */
export function engineOptions(flags: ParsedFlags, io: CommandIo): EngineOptions {
  return {
    root: flags.last("root"),
    snapshotter: flags.last("snapshotter"),
    // docker's word for what its daemon would do.
    isolation: flags.last("isolation") === "default" ? "auto" : flags.last("isolation"),
    ociRuntime: flags.last("oci-runtime"),
    apparmorProfile: parseSecurityOpts(flags.all("security-opt")),
    env: io.env,
    insecureRegistries: flags.all("insecure-registry"),
  };
}
