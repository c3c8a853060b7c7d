import type { DiffId } from "@tsbuild/base";
import { parseReference } from "@tsbuild/oci";
import type { Store } from "@tsbuild/store";
import { imageAttributes, wantedCompression } from "./attributes.ts";
import { PULLED } from "./layers.ts";
import type { ExportOptions, ExportRequest } from "./types.ts";
import { sharedWorkers } from "./workers.ts";

/** What is known of a push before there is anything to push. */
export interface ExpectedPush {
  readonly outputs: readonly ExportRequest[];
  /** Of the build, for outputs that have none. */
  readonly names: readonly string[];
  /** Layers that the image begins with. */
  readonly base: readonly DiffId[];
}

/** Starts the thread that compresses layers, and asks the registries which layers of the base they have. */
export async function expectPush(
  { outputs, names, base }: ExpectedPush,
  { store, registry }: { readonly store: Store; readonly registry: NonNullable<ExportOptions["registry"]> },
): Promise<void> {
  if (wantedCompression(outputs) !== undefined) sharedWorkers().warm();
  const digests = base.flatMap((diffId) => store.blobs.compressed(diffId, PULLED)?.digest ?? []);
  for (const output of outputs) {
    const { names: own = names, force, insecure } = imageAttributes(output);
    const references = force ? [] : own.map(parseReference);
    const client = await registry({ insecureHosts: insecure ? references.map(({ host }) => host) : [] });
    await Promise.all(references.map((reference) => client.expectPush(reference, digests)));
  }
}
