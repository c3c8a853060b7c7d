import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DiffId } from "@tsbuild/base";
import type { CompressionVariant } from "@tsbuild/oci";
import type { Store } from "@tsbuild/store";
import { imageAttributes, wantedCompression } from "./attributes.ts";
import { PULLED } from "./layers.ts";
import { expectUploads, openDestinations } from "./pushing.ts";
import type { ExportOptions, ExportRequest } from "./types.ts";
import { sharedWorkers } from "./workers.ts";

/** What is known of a push before there is anything to push. */
export interface ExpectedPush {
  readonly outputs: readonly ExportRequest[];
  /** Of the build, for outputs that have none. */
  readonly names: readonly string[];
  /** Layers that the image begins with. */
  readonly base: readonly DiffId[];
  /** Something new is certain to come. */
  readonly isNew: boolean;
}

/**
 * Asks the registries which layers of the base they have, opens the uploads that will be needed while what they are for is being made (a far
 * registry answers in that time), and starts the thread that compresses layers. One after the other: steps run meanwhile, and both at once would
 * take two processors from them.
 */
export async function expectPush(
  { outputs, names, base, isNew }: ExpectedPush,
  { store, registry }: { readonly store: Store; readonly registry: ExportOptions["registry"] },
): Promise<void> {
  const pulled = base.flatMap((diffId) => store.blobs.compressed(diffId, PULLED)?.digest ?? []);
  for (const output of outputs) {
    const attributes = imageAttributes(output);
    const opened = await openDestinations(attributes.names ?? names, attributes, registry);
    const { client, destinations } = opened;
    const digests = attributes.force ? [] : pulled;
    await Promise.all(destinations.map(({ reference }) => client.expectPush(reference, digests)));
    if (isNew) await expectUploads(opened);
  }
  const variant = wantedCompression(outputs);
  if (variant !== undefined) await warmUp(store, variant);
}

/** Packs a file of a few bytes, for nobody. */
async function warmUp(store: Store, variant: CompressionVariant): Promise<void> {
  const folder = store.temporaryFolder();
  writeFileSync(join(folder, "file"), "warm");
  await sharedWorkers().warm({ folder, variant });
}
