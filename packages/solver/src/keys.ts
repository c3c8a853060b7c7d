import { type Digest, sha256, sha256Fields } from "@tsbuild/base";
import type { CacheKeyId, CacheLink } from "./ports.ts";

/**
 * Ids of the nodes of the key graph. All are digests over length-framed fields, so two processes that look at the same work
 * make the same ids, and no two kinds of key can collide (the first field differs). The version in it makes a change of
 * this file a miss and never a wrong hit.
 *
 * Left out of every key on purpose: vertex digests (equal work in two graphs must share), names and source places (they
 * never change a result), times, machine and user.
 */
const VERSION = "tsbuild-key-1";

/**
 * An op as links and keys have it.
 * - digest: what it does.
 * - inputs: how many it has. A key counts when reached from every input; without the number a sum of one would be found where
 *   a sum of two with the same first input was saved.
 */
export function opKey(digest: Digest, inputs: number): Digest {
  return sha256Fields([VERSION, "op", digest, String(inputs)]);
}

/** An input as a key has it. */
export interface KeyedInput {
  /** Which paths of the input count: `COPY a` and `COPY b` from one stage differ only here. */
  readonly selector: string;
  /** Identity of what the input is. */
  readonly key: CacheKeyId;
}

/**
 * Key of an output of an op without inputs.
 * - op (see `opKey`): the whole identity of a source.
 * - output: an op's outputs are different results.
 */
export function rootKey(op: Digest, output: number): CacheKeyId {
  return sha256Fields([VERSION, "root", op, String(output)]) as string as CacheKeyId;
}

/**
 * An input known by its content (V011): stands at the place of the input's own keys.
 * - digest: what the op's content function made of the selected paths.
 * The selector is not in here but, as for other keys, in the link that leads on.
 */
export function contentKeyId(digest: Digest): CacheKeyId {
  return sha256Fields([VERSION, "content", digest]) as string as CacheKeyId;
}

/**
 * Key of an output of an op with inputs, where no link leads to a key that stands for it already.
 * - op, output: as for a root.
 * - inputs in order, so that swapped inputs are another key (testFileOpInputSwap): selector, and the content key where
 *   the content counts, else the input's first key. Content goes before definition because a definition that
 *   is run again may give other content, and the key must say which content its record was computed from.
 */
export function derivedKey(op: Digest, output: number, inputs: readonly KeyedInput[]): CacheKeyId {
  const fields = inputs.flatMap(({ selector, key }) => [selector, key]);
  return sha256Fields([VERSION, "derived", op, String(output), ...fields]) as string as CacheKeyId;
}

/**
 * Key that takes the place of `superseded` when its vertex is run although it is cached (V020).
 * - superseded: whose place it takes.
 * - nonce: fresh for each run. The one thing in a key that is not content: what descendants computed from the old result must
 *   not be found by way of the new one.
 */
export function generationKey(superseded: CacheKeyId, nonce: string): CacheKeyId {
  return sha256Fields([VERSION, "generation", superseded, nonce]) as string as CacheKeyId;
}

/**
 * How a cache that travels names an op's output in a record: BuildKit's form, in which op digest and output number are one digest. The
 * keys of roots are records' digests as they are.
 */
export function portableOp(op: Digest, output: number): Digest {
  return sha256(`${op}@${output}`);
}

let generationOp: Digest | undefined;

/** Leads from a key to the generations that took its place, oldest first. */
export const GENERATION_LINK: CacheLink = {
  // Not at import: by then a program has not said yet how it computes digests.
  get op() {
    generationOp ??= sha256Fields([VERSION, "generation"]);
    return generationOp;
  },
  output: 0,
  input: 0,
  selector: "",
};

/**
 * Name of the lock under which work is done: equal names, equal work.
 * - op (see `opKey`): what is done; all outputs are made at once, so no output here.
 * - inputs: selector, and the content digest where the content counts, else the id of the input's result. Results rather than
 *   keys: one input may be known by different keys in two builds, its result is one.
 */
export function workName(
  op: Digest,
  inputs: readonly { readonly selector: string; readonly identity: string }[],
): string {
  const fields = inputs.flatMap(({ selector, identity }) => [selector, identity]);
  return sha256Fields([VERSION, "work", op, ...fields]);
}
