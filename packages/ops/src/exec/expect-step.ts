import { hostPlatform, monotonicMs } from "@tsbuild/base";
import type { ExecOp } from "@tsbuild/llb";
import { type ExecSpec, sharesProc } from "@tsbuild/sandbox";
import type { OpsEnvironment } from "../environment.ts";
import type { ExecRun } from "./run.ts";
import { stepSpec } from "./step-spec.ts";

/** A step and where it will run, before it has inputs. */
type ExpectedStep = Pick<ExecRun, "env" | "op">;

/** When steps were told of together. What was made ready for them is there for a second longer. */
const toldMs = new WeakMap<ExecOp, number>();
const TOLD_FOR_MS = 4_000;

/** The network that `acquireNetwork` will come to; undefined: not known, or one that somebody else makes. */
async function likelyNetwork({ env, op }: ExpectedStep): Promise<ExecSpec["network"] | undefined> {
  const { network, security } = op.kind;
  if (network !== "default" || sharesProc()) return network === "none" ? "none" : "host";
  const [pool, sandbox] = await Promise.all([env.networks(), env.sandbox()]);
  return pool.likely({ onDemand: security !== "insecure" && sandbox.connectsOnDemand });
}

/** Tells the sandbox of a step, before its turn: it makes namespaces ready while this thread makes the step's root. */
export async function expectStep({ env, op }: ExpectedStep): Promise<void> {
  if (monotonicMs() - (toldMs.get(op.kind) ?? Number.NEGATIVE_INFINITY) < TOLD_FOR_MS) return;
  await expectAlike({ env, op }, 1);
}

/** Tells the sandbox of steps that will run soon, while this thread has yet to come to them: by then much of them is done on other processors. */
export async function expectSteps(env: OpsEnvironment, ops: readonly ExecRun["op"][]): Promise<void> {
  const alike = Map.groupBy(
    ops.filter(({ platform }) => platform === undefined || isNative(platform)),
    ({ kind }) => `${kind.network} ${kind.security} ${kind.meta.cgroupParent}`,
  );
  for (const [first, ...others] of alike.values()) {
    if (first === undefined) continue;
    await expectAlike({ env, op: first }, 1 + others.length);
    for (const { kind } of [first, ...others]) toldMs.set(kind, monotonicMs());
  }
}

/** Others run in a user namespace, of which nothing is known before. */
function isNative({ architecture }: NonNullable<ExecRun["op"]["platform"]>): boolean {
  return architecture === hostPlatform().architecture;
}

async function expectAlike(step: ExpectedStep, count: number): Promise<void> {
  const { env, op } = step;
  const sandbox = await env.sandbox();
  if (sandbox.expect === undefined) return;
  const network = await likelyNetwork(step);
  if (network === undefined) return;
  /* Of what is not known yet nothing is looked at. */
  const unknown = { uid: 0, gid: 0, additionalGids: [], home: "/" };
  const spec = stepSpec(op.kind, {
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
  });
  sandbox.expect(spec, count);
}
