import type { Ref } from "@tsbuild/solver";

/** A folder of the user's, read in place (X003). Never written to. */
export interface LocalContext {
  /** Name in `local://NAME`. */
  readonly name: string;
  /** Absolute path of the folder. */
  readonly folder: string;
  /** What messages call it, when the user did not name the folder: a URL. */
  readonly shown?: string | undefined;
  /** Patterns of the ignore file that applies (D131), in order. */
  readonly ignore: readonly string[];
  /** Modes count as git has them: 0755 for folders and what its owner may execute, 0644 for other files (W009). */
  readonly normalModes?: boolean | undefined;
}

const localRefs = new WeakMap<Ref, LocalContext>();

/** A ref to a context: cannot be persisted, so no record is ever made of it. */
export function refForContext(context: LocalContext): Ref {
  const ref: Ref = { id: undefined, clone: () => refForContext(context), release: () => undefined };
  localRefs.set(ref, context);
  return ref;
}

/** The context a ref stands for; undefined when it is a snapshot. */
export function contextOf(ref: Ref): LocalContext | undefined {
  return localRefs.get(ref);
}
