import type { DiffId } from "@tsbuild/base";
import { type ImageReference, parseReference } from "@tsbuild/oci";
import type { RegistryClient } from "@tsbuild/registry";
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

interface AheadOf {
  readonly store: Store;
  readonly registry: NonNullable<ExportOptions["registry"]>;
}

/** Starts the thread that compresses layers, and asks the registries which layers of the base they have. */
export async function expectPush(
  { outputs, names, base }: ExpectedPush,
  { store, registry }: AheadOf,
): Promise<void> {
  if (wantedCompression(outputs) !== undefined) sharedWorkers().warm();
  const digests = base.flatMap((diffId) => store.blobs.compressed(diffId, PULLED)?.digest ?? []);
  for (const output of outputs) {
    if (imageAttributes(output).force) continue;
    const { client, references } = await destinations(output, names, registry);
    await Promise.all(references.map((reference) => client.expectPush(reference, digests)));
  }
}

async function destinations(
  output: ExportRequest,
  names: readonly string[],
  registry: AheadOf["registry"],
): Promise<{ readonly client: RegistryClient; readonly references: readonly ImageReference[] }> {
  const { names: own = names, insecure } = imageAttributes(output);
  const references = own.map(parseReference);
  return {
    client: await registry({ insecureHosts: insecure ? references.map(({ host }) => host) : [] }),
    references,
  };
}

/** A layer that was never packed and the config that names it are new to everybody. Of others that can only be hoped. */
const SURE_UPLOADS = 2;

/** Opens the uploads that are certain to be needed when layers are being packed: a far registry answers in that time. */
export async function expectUploads(
  { outputs, names }: Omit<ExpectedPush, "base">,
  registry: AheadOf["registry"],
): Promise<void> {
  for (const output of outputs) {
    const { client, references } = await destinations(output, names, registry);
    // Others of the same host mount from the first, see `pushEverywhere`.
    const [first] = references;
    if (first !== undefined) await client.expectUploads(first, SURE_UPLOADS);
  }
}
