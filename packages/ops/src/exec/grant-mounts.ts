import { TsbuildError } from "@tsbuild/base";
import type { ExecOp, SecretOptions } from "@tsbuild/llb";
import type { ExecMount } from "@tsbuild/sandbox";
import type { Secret, StepGrants } from "../grants/grants.ts";
import type { OneMount } from "./mounts.ts";

/** An optional one that the build was not given is simply not there, a required one is an error (D080, D081). */
function missing(
  type: "secret" | "ssh",
  { id, optional }: Pick<SecretOptions, "id" | "optional">,
): undefined {
  if (optional) return undefined;
  const flag = type === "secret" ? `--secret id=${id},src=FILE` : `--ssh ${id}`;
  const what = type === "secret" ? "secret" : "ssh agent";
  throw new TsbuildError(
    "TSB_USAGE",
    `the step needs the ${what} ${JSON.stringify(id)}, and this build was given none`,
    { hint: `add ${flag}, or make the mount optional (required=false)` },
  );
}

/** A secret as a file: written to memory with its owner and mode, mounted read-only (D080). */
export function mountSecret({ env, mount, memory }: OneMount, dest: string): ExecMount | undefined {
  const options = mount.secret;
  if (options === undefined) throw new Error("assertion failed: a secret mount without options");
  const secret = env.grants.secrets.get(options.id);
  if (secret === undefined) return missing("secret", options);
  const { uid, gid, mode } = options;
  const name = memory.freshName();
  env.fs.writeFileInRoot(memory.fd, name, secret.value, { mode: mode & 0o7777, uid, gid });
  return { type: "bind", fd: memory.fd, sourcePath: name, kind: "file", dest, readonly: true };
}

/** A socket of the step's own that leads to the agent (D081). */
export async function mountAgent(one: OneMount, dest: string): Promise<ExecMount | undefined> {
  const { env, mount, memory, closers } = one;
  const options = mount.ssh;
  if (options === undefined) throw new Error("assertion failed: an ssh mount without options");
  const id = options.id || "default";
  const source = env.grants.agents.get(id);
  if (source === undefined) return missing("ssh", { ...options, id });
  const { serveAgent } = await import("../grants/agent-server.ts");
  const name = memory.freshName();
  // Through the descriptor: the folder has no other path.
  const server = await serveAgent(source, `/proc/self/fd/${memory.fd}/${name}`);
  closers.push(() => server.close());
  const { uid, gid, mode } = options;
  env.fs.setOwnerModeInRoot(memory.fd, name, { uid, gid, mode: mode & 0o7777 });
  return { type: "bind", fd: memory.fd, sourcePath: name, kind: "file", dest, readonly: true };
}

function secretText({ value }: Secret, id: string): string {
  const text = Buffer.from(value).toString("utf8");
  if (!text.includes("\0")) return text;
  throw new TsbuildError(
    "TSB_USAGE",
    `the secret ${JSON.stringify(id)} has a zero byte: no variable can hold it`,
    {
      hint: "mount it as a file",
    },
  );
}

/** Variables that hold secrets; they win over recorded ones of the same name. */
export function secretVariables(op: ExecOp, grants: StepGrants): Map<string, string> {
  const variables = new Map<string, string>();
  for (const { id, name, optional } of op.secretEnv) {
    const secret = grants.secrets.get(id);
    if (secret === undefined) missing("secret", { id, optional });
    else variables.set(name, secretText(secret, id));
  }
  return variables;
}
