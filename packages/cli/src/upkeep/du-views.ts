import type { DiskUsage, UsageRecord } from "@tsbuild/engine";
import { age } from "../commands/images.ts";
import { formatBytes } from "../progress/units.ts";
import { safeLine } from "../sanitize.ts";
import { columns } from "./table.ts";

const MAX_DESCRIPTION = 60;

function cut(text: string): string {
  const line = safeLine(text);
  return line.length > MAX_DESCRIPTION ? `${line.slice(0, MAX_DESCRIPTION - 1)}…` : line;
}

function size(records: readonly UsageRecord[]): number {
  return records.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function shortId(id: string): string {
  return id.replace(/^(\w+:(?:sha256:)?[0-9a-f]{12})[0-9a-f]{20,}$/, "$1");
}

/** The strongest reason, and how many others there are. */
export function keeper({ heldBy }: UsageRecord): string {
  const [first] = heldBy;
  if (first === undefined) return "nothing";
  const order = ["lease", "image", "build", "child", "kept"];
  const [best = first, ...rest] = [...heldBy].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
  return safeLine(best.text) + (rest.length > 0 ? ` and ${rest.length} more` : "");
}

/** One line an entry, largest first. */
export function usageTable(records: readonly UsageRecord[], now: number): string {
  const sorted = [...records].sort((a, b) => b.sizeBytes - a.sizeBytes);
  const rows = sorted.map((record) => [
    shortId(record.id),
    record.type,
    formatBytes(record.sizeBytes),
    record.lastUsedAt === 0 ? "-" : age(now - record.lastUsedAt),
    cut(keeper(record)),
    cut(record.description),
  ]);
  return columns([["ID", "TYPE", "SIZE", "LAST USED", "KEPT BY", "DESCRIPTION"], ...rows], [2]);
}

/** A block an entry (C031). */
export function usageBlocks(records: readonly UsageRecord[]): string {
  return records.map((record) => `${blockOf(record).join("\n")}\n\n`).join("");
}

function blockOf(record: UsageRecord): string[] {
  const time = (ms: number): string => (ms === 0 ? "-" : new Date(ms).toISOString());
  const kept = record.heldBy.map(({ text }) => safeLine(text));
  return [
    ["ID", record.id],
    ...(record.parents.length > 0 ? [["Made on", record.parents.join(", ")]] : []),
    ["Type", record.type],
    ["Description", safeLine(record.description)],
    ["Size", formatBytes(record.sizeBytes)],
    ["Created", time(record.createdAt)],
    ["Last used", time(record.lastUsedAt)],
    ["Usage count", String(record.usageCount)],
    ["Mutable", String(record.mutable)],
    ["In use", String(record.inUse)],
    ["Shared", `${record.shared}${record.shared ? " (an image has it too)" : ""}`],
    ["Kept by", kept.length === 0 ? "nothing: prune removes it" : kept.join("; ")],
  ].map(([name = "", value = ""]) => `${`${name}:`.padEnd(13)} ${value}`);
}

/** Shared, Private, Reclaimable, Total. */
export function totals(usage: DiskUsage, shown: readonly UsageRecord[]): string {
  const shared = shown.filter((record) => record.shared);
  const all = size(shown);
  return columns([
    ["Shared:", formatBytes(size(shared)), "images have it too"],
    ["Private:", formatBytes(all - size(shared)), ""],
    ["Reclaimable:", formatBytes(usage.reclaimableBytes), "tsbuild prune --all would free it"],
    [
      "Total:",
      formatBytes(all),
      `in ${safeLine(usage.root)}; ${formatBytes(usage.freeBytes)} free on its disk`,
    ],
  ]);
}

export const VIEWS = ["image", "project", "step", "mount"] as const;

/** Sums by what people know. A result that several images or projects need counts with each of them. */
export function groups(
  view: (typeof VIEWS)[number],
  records: readonly UsageRecord[],
): readonly { readonly name: string; readonly sizeBytes: number; readonly entries: number }[] {
  const named = new Map<string, Set<UsageRecord>>();
  const add = (name: string, found: readonly UsageRecord[]): void => {
    const set = named.get(name) ?? new Set();
    for (const record of found) set.add(record);
    named.set(name, set);
  };
  if (view === "step") for (const record of snapshotsOf(records)) add(record.description, [record]);
  else if (view === "mount") {
    for (const record of records) if (record.type === "exec.cachemount") add(record.description, [record]);
  } else addHeld(view, records, add);
  return [...named]
    .map(([name, set]) => ({ name, sizeBytes: size([...set]), entries: set.size }))
    .sort((a, b) => b.sizeBytes - a.sizeBytes);
}

function snapshotsOf(records: readonly UsageRecord[]): UsageRecord[] {
  return records.filter(({ id }) => id.startsWith("snapshot:"));
}

function addHeld(
  view: "image" | "project",
  records: readonly UsageRecord[],
  add: (name: string, found: readonly UsageRecord[]) => void,
): void {
  const byId = new Map(records.map((record) => [record.id, record]));
  const prefix = view === "image" ? "image " : "build of ";
  for (const record of snapshotsOf(records)) {
    for (const { text } of record.heldBy) {
      if (text.startsWith(prefix)) add(text.slice(prefix.length), withParents(record, byId));
    }
  }
}

function withParents(record: UsageRecord, byId: ReadonlyMap<string, UsageRecord>): UsageRecord[] {
  const found: UsageRecord[] = [];
  for (let at: UsageRecord | undefined = record; at !== undefined; at = byId.get(at.parents[0] ?? ""))
    found.push(at);
  return found;
}
