import { type ExecSpec, sharesProc } from "@tsbuild/sandbox";
import type { ExecRun } from "./run.ts";
import { stepSpec } from "./step-spec.ts";

/** The network that `acquireNetwork` will come to; undefined: not known, or one that somebody else makes. */
async function likelyNetwork({ env, op }: ExecRun): Promise<ExecSpec["network"] | undefined> {
  const { network, security } = op.kind;
  if (network !== "default" || sharesProc()) return network === "none" ? "none" : "host";
  const [pool, sandbox] = await Promise.all([env.networks(), env.sandbox()]);
  return pool.likely({ onDemand: security !== "insecure" && sandbox.connectsOnDemand });
}

/** Tells the sandbox of a step, before its turn: it makes namespaces ready while this thread makes the step's root. */
export async function expectStep(run: ExecRun): Promise<void> {
  const { env, op } = run;
  const sandbox = await env.sandbox();
  if (sandbox.expect === undefined) return;
  const network = await likelyNetwork(run);
  if (network === undefined) return;
  /* Of what is not known yet nothing is looked at. */
  const unknown = { uid: 0, gid: 0, additionalGids: [], home: "/" };
  sandbox.expect(
    stepSpec(op.kind, {
      rootFd: 0,
      user: unknown,
      mounts: [],
      network,
      stdio: "log",
      id: "expected",
      proxyEnv: [],
      secrets: new Map(),
      resources: env.grants.resources,
      apparmorProfile: env.apparmorProfile,
    }),
  );
}
