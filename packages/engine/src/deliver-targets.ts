import type { CompiledPlatform } from "@tsbuild/frontend";
import type { Ref, SolveResult } from "@tsbuild/solver";
import type { AttestBuild } from "./attest/attestations.ts";
import type { CacheSharing } from "./cache-sharing.ts";
import { type Delivered, type Delivery, deliver, type PlatformResult } from "./deliver.ts";
import type { BuildTarget } from "./targets.ts";

/** The targets of a build when they are solved. */
export interface SolvedTargets {
  readonly targets: readonly BuildTarget[];
  readonly names: readonly string[];
  /** Of the platforms of all targets, in their order. */
  readonly refs: readonly (Ref | null)[];
  readonly sbomRefs: readonly (readonly (Ref | null)[])[];
}

/** What goes out of each target; the first one's names are the build's. */
export function deliveriesOf(
  build: AttestBuild,
  { targets, names, refs, sbomRefs }: SolvedTargets,
): readonly Delivery[] {
  let before = 0;
  const deliveries = targets.map((target, at) => {
    const { platforms, request, isDelivered } = target;
    const first = before;
    before += platforms.length;
    const results = platforms.map(
      (platform, n): PlatformResult => ({ platform, ref: refs[first + n] ?? null }),
    );
    const run = { ...build.run, request };
    const prepared = { ...build.prepared, request };
    const attest = attestFor(
      { ...build, run, prepared },
      { platforms, sbomRefs: sbomRefs.slice(first, before) },
    );
    const delivery = { run, results, names: at === 0 ? names : [], attest };
    return { isDelivered, delivery: at === 0 ? delivery : { ...delivery, target: target.name } };
  });
  return deliveries.filter(({ isDelivered }) => isDelivered).map(({ delivery }) => delivery);
}

/** Nothing of it is loaded by a build that asks for none. */
function attestFor(
  build: AttestBuild,
  {
    platforms,
    sbomRefs,
  }: {
    readonly platforms: readonly CompiledPlatform[];
    readonly sbomRefs: readonly (readonly (Ref | null)[])[];
  },
): Delivery["attest"] {
  if ((build.run.request.attestations ?? []).length === 0) return undefined;
  return async (images) => {
    const { attestImages } = await import("./attest/attestations.ts");
    const results = images.flatMap((image, at) => {
      const platform = platforms[at];
      return platform === undefined ? [] : [{ platform, image, sbomRefs: sbomRefs[at] ?? [] }];
    });
    return attestImages(build, results);
  };
}

/** The first is the one that the build's own result is about. */
export type AllDelivered = readonly [Delivered, ...Delivered[]];

/** One after the other: several targets have layers in common, which are packed once. */
async function deliverInTurn(deliveries: readonly Delivery[]): Promise<AllDelivered> {
  const delivered: Delivered[] = [];
  for (const delivery of deliveries) delivered.push(await deliver(delivery));
  const [first, ...others] = delivered;
  if (first === undefined) throw new Error("assertion failed: the first target is delivered");
  return [first, ...others];
}

/** Outputs first: what they have packed is not packed again for a cache. */
export async function deliverAll(
  deliveries: readonly Delivery[],
  sharing: CacheSharing | undefined,
  solved: SolveResult,
): Promise<AllDelivered> {
  if (sharing === undefined) return deliverInTurn(deliveries);
  const shared: Delivery[] = [];
  for (const delivery of deliveries) shared.push(await withInlineCache(delivery, sharing, solved));
  // Two that pack one layer at the same time would do the work twice.
  await sharing.packed();
  const delivered = await deliverInTurn(shared).catch(async (error: unknown) => {
    await sharing.abandon();
    throw error;
  });
  await sharing.finish(solved);
  return delivered;
}

async function withInlineCache(
  delivery: Delivery,
  sharing: CacheSharing,
  solved: SolveResult,
): Promise<Delivery> {
  const results: PlatformResult[] = [];
  for (const result of delivery.results)
    results.push({ ...result, inlineCache: await sharing.inlineRecords(solved, result.ref) });
  return { ...delivery, results };
}
