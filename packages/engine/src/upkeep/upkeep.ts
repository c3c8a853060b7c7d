import type {
  CacheMountTransfer,
  CollectReport,
  DiskUsage,
  FsckReport,
  Size,
  Store,
  UsageRecord,
} from "@tsbuild/store";
import { collectCache, diskUsage, fsckStore, mountTransfer, resolveSize } from "@tsbuild/store";
import type { Session } from "../session.ts";

export interface PruneRequest {
  /** Also what the last builds of projects need. */
  readonly all: boolean;
  readonly matches?: ((record: UsageRecord) => boolean) | undefined;
  /** Without a limit everything that may go goes. */
  readonly maxUsed?: Size | undefined;
  readonly minFree?: Size | undefined;
  readonly reserved?: Size | undefined;
  readonly unusedForMs?: number | undefined;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
}

/** Looking after the state folder: what is in it, what may go, whether it is sound. */
export interface Upkeep {
  usage(): Promise<DiskUsage>;
  /** Waits for a collection that runs. */
  prune(request: PruneRequest): Promise<CollectReport>;
  /** `deep` reads every blob; `repair` mends what can be mended, and removes what cannot. */
  check(options: { readonly deep: boolean; readonly repair: boolean }): Promise<FsckReport>;
  readonly mounts: CacheMountTransfer;
  /** Writes an archive to a file, whole or not at all. Rejects with TSB_EXPORT or TSB_DISK_FULL, naming it. */
  writeArchive(archive: AsyncIterable<Uint8Array>, file: string, signal: AbortSignal): Promise<void>;
}

export function upkeep({ store, settings }: Session): Upkeep {
  const keptBuilds = settings.gc?.keptBuilds;
  return {
    usage: () => diskUsage(store, keptBuilds === undefined ? {} : { keptBuilds }),
    prune: async (request) => {
      if (!request.dryRun) await removeGroups();
      return prune(store, request, keptBuilds);
    },
    check: (options) => fsckStore(store, options),
    mounts: mountTransfer(store),
    writeArchive: async (archive, file, signal) => {
      const { writeArchive } = await import("@tsbuild/export");
      await writeArchive(archive, file, { signal, store });
    },
  };
}

/** Left by builders of any state folder, also of those that are no more. */
async function removeGroups(): Promise<void> {
  const { removeOrphanedGroups } = await import("@tsbuild/sandbox");
  removeOrphanedGroups();
}

async function prune(
  store: Store,
  request: PruneRequest,
  keptBuilds: number | undefined,
): Promise<CollectReport> {
  const { diskBytes } = await diskUsage(store);
  const size = (given: Size | undefined): number | undefined =>
    given === undefined ? undefined : resolveSize(given, diskBytes);
  const limits = {
    maxBytes: size(request.maxUsed),
    minFreeBytes: size(request.minFree),
    reservedBytes: size(request.reserved),
    unusedForMs: request.unusedForMs,
  };
  const { maxBytes, minFreeBytes, unusedForMs, reservedBytes } = limits;
  const limited = [maxBytes, minFreeBytes, unusedForMs, reservedBytes].some((limit) => limit !== undefined);
  // A floor alone is a ceiling that was meant: Docker's --keep-storage (V043).
  const asked =
    limited && maxBytes === undefined && minFreeBytes === undefined && unusedForMs === undefined
      ? { ...limits, maxBytes: reservedBytes }
      : limits;
  const report = await collectCache(store, {
    limits: asked,
    everything: !limited,
    all: request.all,
    keptBuilds,
    matches: request.matches,
    dryRun: request.dryRun,
    by: "prune",
    wait: request.signal,
  });
  if (report === undefined) throw new Error("assertion failed: a collection that waits for its turn gets it");
  return report;
}
