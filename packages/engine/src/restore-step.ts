/** A step of an earlier build as it was when it ran, with what is still there of it. */
import { errnoCode, TsbuildError } from "@tsbuild/base";
import { decodeOp, type ExecOp, type Mount, type Op } from "@tsbuild/llb";
import { nativeFs } from "@tsbuild/native-fs";
import { refForContext, type StepGrants } from "@tsbuild/ops";
import type { KeptStep } from "@tsbuild/ops/kept-step";
import type { Ref } from "@tsbuild/solver";
import { refForSnapshot, type Store } from "@tsbuild/store";
import type { RecordedFolder } from "./history/record.ts";
import type { RememberedStep } from "./kept-record.ts";

export interface RestoredStep {
  /** To be released. */
  readonly step: KeptStep;
  /** Mounts that it had and that cannot be made again, for people: what and why. */
  readonly notMounted: readonly string[];
}

type Verdict = { readonly mount: Mount } | { readonly missing: string };

/** Secrets and agents are those of `grants`; optional ones that are not given are left out like all others. Throws TSB_USAGE. */
export function restoreStep(store: Store, entry: RememberedStep, grants: StepGrants): RestoredStep {
  const op = decodeOp(Buffer.from(entry.op, "base64"));
  if (op.kind?.type !== "exec") throw new Error("assertion failed: a recorded step that is no exec");
  const kind: ExecOp = op.kind;
  const verdicts = kind.mounts.map((mount) => judge(mount, entry, grants));
  const mounts = verdicts.flatMap((verdict) => ("mount" in verdict ? [verdict.mount] : []));
  const secretEnv = kind.secretEnv.filter(({ id }) => grants.secrets.has(id));
  const unset = kind.secretEnv.filter(({ id }) => !grants.secrets.has(id));
  const exec: Op & { readonly kind: ExecOp } = { ...op, kind: { ...kind, mounts, secretEnv } };
  return {
    step: { vertex: entry.vertex, op: exec, ...refsOf(store, entry) },
    notMounted: [
      ...verdicts.flatMap((verdict) => ("missing" in verdict ? [verdict.missing] : [])),
      ...unset.map(({ id, name }) => `$${name}: give --secret id=${id},…`),
    ],
  };
}

function judge(mount: Mount, { inputs }: RememberedStep, { secrets, agents }: StepGrants): Verdict {
  const { type, dest, input, secret, ssh } = mount;
  const missing = (why: string): Verdict => ({ missing: `${dest}: ${why}` });
  if (type === "secret") {
    const id = secret?.id ?? "";
    return secrets.has(id) ? { mount } : missing(`give --secret id=${id},…`);
  }
  if (type === "ssh") {
    const id = ssh?.id || "default";
    return agents.has(id) ? { mount } : missing(`give --ssh ${id}`);
  }
  const gone = input < 0 ? undefined : missingInput(inputs[input], mount);
  if (gone === undefined) return { mount };
  // What a cache was seeded with is in it by now.
  return type === "cache" ? { mount: { ...mount, input: -1 } } : missing(gone);
}

function missingInput(input: RememberedStep["inputs"][number], { selector }: Mount): string | undefined {
  if (input === undefined) return "what it showed is not kept";
  if (!isFolder(input)) return undefined;
  return isThere(input, selector) ? undefined : `${JSON.stringify(selector)} of ${input.folder} is gone`;
}

function isFolder(input: RememberedStep["inputs"][number]): input is RecordedFolder {
  return typeof input === "object" && input !== null;
}

/** Asked beneath the folder: a link in it leads nowhere else. */
function isThere({ folder }: RecordedFolder, selector: string): boolean {
  let root: number;
  try {
    root = nativeFs.openFolder(folder);
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
  try {
    return nativeFs.statInRoot(root, selector.replace(/^\/+/, "") || ".", true) !== undefined;
  } finally {
    nativeFs.close(root);
  }
}

function isGone(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR", "EACCES"].includes(errnoCode(error) ?? "");
}

function refsOf(store: Store, entry: RememberedStep): Pick<KeptStep, "inputs" | "after"> {
  const held: Ref[] = [];
  const hold = (input: RememberedStep["inputs"][number]): Ref => {
    const ref = isFolder(input) ? refForContext(input) : refForSnapshot(store, input ?? null);
    held.push(ref);
    return ref;
  };
  try {
    return { inputs: Array.from(entry.inputs, hold), after: hold(entry.after) };
  } catch (cause) {
    for (const ref of held) ref.release();
    throw new TsbuildError("TSB_USAGE", `the files of ${entry.name} were pruned`, {
      hint: "build again; tsbuild build --on-fail=shell . opens a shell as soon as a step fails",
      cause,
    });
  }
}
