/** A plan in two halves (native/sandbox/src/ahead.h): what all steps have alike, and what one step alone has. */
import { encodePlan, type SandboxPlan, sharedAt } from "./plan-encode.ts";
import type { PlanOp } from "./plan-ops.ts";

/** A first half. Needs no descriptor, and can be performed before its step is known; equal ones are one object. */
export interface FirstHalf {
  readonly plan: SandboxPlan;
  /** On the wire. */
  readonly bytes: Uint8Array;
  /** What of the staged root goes to the step's. */
  readonly folders: readonly string[];
}

export interface SplitPlan {
  readonly ahead: FirstHalf;
  readonly rest: SandboxPlan;
  /** Both: a failure names its line in this one. */
  readonly whole: SandboxPlan;
}

/** AHEAD_FDS and AHEAD_BYTES of ahead.h. */
const AHEAD_FDS = 64;
export const REST_BYTES_MAX = 256 * 1024;

/** Where an operation of the system's part does something; undefined: nowhere in the root. */
function placeOf(op: PlanOp): string | undefined {
  if (op.op === "mount" || op.op === "host_tree") return op.dest;
  return "path" in op && typeof op.path === "string" ? op.path : undefined;
}

function topOf(path: string): string {
  return path.split("/", 2).join("/");
}

/** The folders of the root that the operations mount something on; undefined: they do something elsewhere too. */
function mountedFolders(ops: readonly PlanOp[]): readonly string[] | undefined {
  const folders = new Set<string>();
  for (const op of ops) {
    const place = placeOf(op);
    if (place === undefined || !place.startsWith("/")) return undefined;
    if ((op.op === "mount" || op.op === "host_tree") && topOf(place) === place) folders.add(place);
    if (!folders.has(topOf(place))) return undefined;
  }
  return [...folders];
}

/** By the first operation of the system's part, which steps share, and then by the others. */
const halves = new WeakMap<PlanOp, Map<string, FirstHalf | undefined>>();

function makeFirstHalf(own: readonly PlanOp[], system: readonly PlanOp[]): FirstHalf | undefined {
  const folders = mountedFolders(system);
  if (folders === undefined) return undefined;
  const ops: PlanOp[] = [...own, { op: "stage", folders }, ...system, { op: "await" }];
  const plan = { fds: [], stdio: "log", ops } as const;
  return { plan, bytes: encodePlan(plan), folders };
}

function firstHalf(own: readonly PlanOp[], system: readonly PlanOp[]): FirstHalf | undefined {
  const [first] = system;
  if (first === undefined) return undefined;
  const known = halves.get(first) ?? new Map<string, FirstHalf | undefined>();
  halves.set(first, known);
  const key = JSON.stringify(own);
  if (!known.has(key)) known.set(key, makeFirstHalf(own, system));
  return known.get(key);
}

/**
 * Undefined where a part of the first half is a step's own (groups with limits, a network that is joined, a terminal), or where the second one has more than fits.
 * Mounts are made on a staged root and moved from there: what they are made on has no say in them.
 */
export function splitPlan({ ops, fds, stdio }: SandboxPlan): SplitPlan | undefined {
  const clone = ops.findIndex(({ op }) => op === "clone");
  const root = ops.findIndex(({ op }) => op === "root");
  const [trees, own] = [ops.slice(0, clone), ops.slice(clone, root)];
  const isSteps =
    trees.some(({ op }) => op !== "tree") || own.some(({ op }) => op === "join_namespace") || stdio !== "log";
  if (clone < 0 || root < 0 || isSteps || fds.length + 2 * trees.length > AHEAD_FDS) return undefined;
  /* After `root` and `hostname`. */
  const system = sharedAt(ops, root + 2)?.ops ?? [];
  const ahead = firstHalf(own, system);
  if (ahead === undefined) return undefined;
  const rest: PlanOp[] = [
    ...trees,
    ops[root]!,
    ...ahead.folders.map((path) => ({ op: "adopt", path }) as const),
    ops[root + 1]!,
    ...ops.slice(root + 2 + system.length),
  ];
  return {
    ahead,
    rest: { fds, stdio, ops: rest },
    whole: { fds, stdio, ops: [...ahead.plan.ops, ...rest] },
  };
}
