import type { MountPoint } from "@tsbuild/sandbox";
import type { WritableView } from "@tsbuild/store";
import type { OpsEnvironment } from "../environment.ts";
import { makeStubs, type Stubs } from "./stubs.ts";
import { resolveStepUser, type StepUser } from "./user.ts";

interface Facts {
  readonly users: Map<string, StepUser>;
  /** Lists of mount points that are all there. */
  readonly points: Set<string>;
}

/** Roots that are remembered: steps on one base, and chains of steps that write nothing. */
const MAX_ROOTS = 64;

const known = new WeakMap<OpsEnvironment["store"], Map<string, Facts>>();

/** What was learned of roots that show the same; undefined: nothing tells what this one shows. */
function factsOf({ store }: OpsEnvironment, { shows }: WritableView): Facts | undefined {
  if (shows === undefined) return undefined;
  const roots = known.get(store) ?? new Map<string, Facts>();
  known.set(store, roots);
  const facts = roots.get(shows) ?? { users: new Map(), points: new Set() };
  if (roots.size >= MAX_ROOTS && !roots.has(shows)) roots.clear();
  roots.set(shows, facts);
  return facts;
}

/**
 * `resolveStepUser` and `makeStubs` in a root that nobody has written to yet. For what is known from another step on the same layers, no file is looked at:
 * half a millisecond of each step.
 */
export class StepRoot {
  readonly #env: OpsEnvironment;
  readonly #root: WritableView;
  readonly #facts: Facts | undefined;

  constructor(env: OpsEnvironment, root: WritableView) {
    this.#env = env;
    this.#root = root;
    this.#facts = factsOf(env, root);
  }

  user(text: string): StepUser {
    const user = this.#facts?.users.get(text) ?? resolveStepUser(this.#env.fs, this.#root.root, text);
    this.#facts?.users.set(text, user);
    return user;
  }

  stubs(points: readonly MountPoint[]): Stubs {
    const list = points.map(({ path, type }) => `${type} ${path}`).join("\0");
    if (this.#facts?.points.has(list) === true) return NO_STUBS;
    const stubs = makeStubs(this.#env.fs, this.#root.root, points);
    if (stubs.made.length === 0) this.#facts?.points.add(list);
    return stubs;
  }
}

const NO_STUBS: Stubs = { made: [], touched: [] };
