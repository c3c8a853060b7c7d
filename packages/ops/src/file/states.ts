import type { SnapshotId } from "@tsbuild/base";
import type { FileOp } from "@tsbuild/llb";
import type { WritableView } from "@tsbuild/store";
import type { OpsEnvironment } from "../environment.ts";
import { dropUnchanged } from "../unchanged.ts";

/** A filesystem between two actions: a snapshot, or a layer still being written. */
export type State =
  | { readonly type: "committed"; readonly snapshot: SnapshotId | null }
  | { readonly type: "open"; readonly layer: WritableView };

/**
 * The states of a file op while its actions run. An action goes on writing the layer of the one before when nobody else
 * needs that state, so that a chain of actions makes one layer; a state with several users is committed first.
 */
export class States {
  readonly #env: OpsEnvironment;
  readonly #startedNs = BigInt(Date.now()) * 1_000_000n;
  readonly #uses: readonly number[];
  readonly #results: State[] = [];
  readonly #inputs: readonly State[];

  constructor(env: OpsEnvironment, op: FileOp, inputs: readonly (SnapshotId | null | undefined)[]) {
    this.#env = env;
    this.#inputs = inputs.map((snapshot) => ({ type: "committed", snapshot: snapshot ?? null }));
    this.#uses = op.actions.map((action, i) => {
      const index = inputs.length + i;
      const readers = op.actions.filter(
        (other) => other.input === index || other.secondaryInput === index,
      ).length;
      return readers + (action.output >= 0 ? 1 : 0);
    });
  }

  #at(index: number): State {
    if (index < 0) return { type: "committed", snapshot: null };
    const state =
      index < this.#inputs.length ? this.#inputs[index] : this.#results[index - this.#inputs.length];
    if (state === undefined)
      throw new Error(`assertion failed: file op refers to state ${index} before it exists`);
    return state;
  }

  /** A committed snapshot of a state, for reading or as an output. */
  async commit(index: number): Promise<SnapshotId | null> {
    const state = this.#at(index);
    if (state.type === "committed") return state.snapshot;
    const { layer } = state;
    const { fs, store } = this.#env;
    await layer.seal();
    await dropUnchanged({ fs, views: store.views, active: layer.active, startedNs: this.#startedNs });
    const snapshot = await layer.commit();
    this.#replace(state, { type: "committed", snapshot });
    return snapshot;
  }

  #replace(old: State, now: State): void {
    for (const [i, state] of this.#results.entries()) if (state === old) this.#results[i] = now;
  }

  /** A layer to write an action's result on top of state `index`. */
  async open(index: number): Promise<WritableView> {
    const state = this.#at(index);
    const uses = index < this.#inputs.length ? 2 : (this.#uses[index - this.#inputs.length] ?? 0);
    if (state.type === "open" && uses === 1) {
      this.#replace(state, { type: "committed", snapshot: null });
      return state.layer;
    }
    return this.#env.store.views.prepare(await this.commit(index));
  }

  push(layer: WritableView): void {
    this.#results.push({ type: "open", layer });
  }

  /** Throws away what was not committed. */
  discard(): void {
    for (const state of new Set(this.#results)) if (state.type === "open") state.layer.discard();
    this.#results.length = 0;
  }
}
