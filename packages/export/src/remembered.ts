import type { SnapshotId } from "@tsbuild/base";
import type { Store } from "@tsbuild/store";

/**
 * A snapshot that is made of others, and made once for the same `key` as long as it is there. Forgetting it costs no more than making it
 * again. `null`: the empty filesystem, which there is nothing to remember of.
 */
export async function rememberedSnapshot<T extends SnapshotId | null>(
  { memo, snapshots }: Store,
  { kind, key }: { readonly kind: string; readonly key: string },
  make: () => Promise<T>,
): Promise<T | SnapshotId> {
  const known = memo.get(kind, key);
  const id = known === undefined ? undefined : (Buffer.from(known).toString() as SnapshotId);
  if (id !== undefined && snapshots.exists(id)) return id;
  const made = await make();
  if (made !== null) memo.set(kind, key, Buffer.from(made));
  return made;
}
