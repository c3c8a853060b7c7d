/** Limits that a machine does not set, as words for the log: a limit that somebody asked for is never left out in silence. */
import type { RefusedLimit } from "./cgroup.ts";
import type { LimitName } from "./cgroup-plan.ts";
import type { RuntimeResources } from "./oci-spec.ts";
import type { ExecIo } from "./spec.ts";

export interface Refusals {
  readonly resources: RuntimeResources;
  /** Those that no control group has a place for. */
  readonly unplaced: readonly LimitName[];
  readonly refused: readonly RefusedLimit[];
}

const NO_PLACE = { reason: "this machine has no control group for it", path: "" };

/** Nobody asked for less swap by itself: it goes with the memory limit, and a machine that does not count swap says nothing. */
function isAsked(limit: LimitName, { memory }: RuntimeResources): boolean {
  return limit !== "memory-swap" || memory?.swap !== memory?.limit;
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** One line for all limits with one reason: `… the limits of memory and pids: this user may not write to /sys/fs/cgroup/…`. */
export function refusalLines({ resources, unplaced, refused }: Refusals): string[] {
  const all = [...unplaced.map((limit) => ({ limit, ...NO_PLACE })), ...refused];
  const byReason = Map.groupBy(
    all.filter(({ limit }) => isAsked(limit, resources)),
    ({ reason }) => reason,
  );
  return [...byReason].map(([reason, limits]) => {
    const names = [...new Set(limits.map(({ limit }) => limit))];
    const places = [...new Set(limits.map(({ path }) => path))].filter((path) => path !== "");
    const why = places.length === 0 ? reason : `${reason} ${listed(places)}`;
    return `steps run without the limit${names.length > 1 ? "s" : ""} of ${listed(names)}: ${why}`;
  });
}

export function tellRefused(io: ExecIo, refusals: Refusals): void {
  for (const line of refusalLines(refusals)) io.onNotice?.(line);
}
