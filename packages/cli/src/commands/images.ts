import { TsbuildError } from "@tsbuild/base";
import type { ImageSummary } from "@tsbuild/engine";
import type { ParsedFlags } from "../flags/parse.ts";
import type { CommandIo } from "../io.ts";
import { formatBytes } from "../progress/units.ts";
import { safeName } from "../sanitize.ts";
import { withHidden } from "../template/docker-view.ts";
import { compileTemplate } from "../template/render.ts";
import { imageFilter, referenceTest } from "../upkeep/image-filter.ts";
import { columns } from "../upkeep/table.ts";
import { forStream } from "./for-stream.ts";

/** `tsbuild images [REPOSITORY[:TAG]]`: the local store's images, newest first. */
export async function images(flags: ParsedFlags, io: CommandIo): Promise<number> {
  return listImages(flags, io, flags.operands);
}

/** Also `tsbuild image ls`. */
export async function listImages(
  flags: ParsedFlags,
  io: CommandIo,
  operands: readonly string[],
): Promise<number> {
  if (operands.length > 1) {
    throw new TsbuildError("TSB_USAGE", `images takes one name: ${operands.slice(1).join(" ")} is too much`, {
      hint: "give a pattern, such as 'team/*'",
    });
  }
  const engine = await io.openEngine({ root: flags.last("root"), env: io.env });
  try {
    const filters = flags.all("filter");
    const local = filters.length === 0 ? undefined : await engine.localImages();
    const passes = imageFilter(filters, local);
    const isNamed = operands.length === 0 ? () => true : referenceTest(operands);
    const found = engine
      .images()
      .filter((image) => isNamed(image) && passes(image))
      .toSorted((a, b) => b.createdAt - a.createdAt);
    io.stdout.write(forStream(io, imagesText(found, listOptions(flags))));
    return 0;
  } finally {
    await engine.close();
  }
}

export interface ListOptions {
  readonly format: string;
  readonly quiet: boolean;
  /** Whole IDs. */
  readonly whole: boolean;
  readonly digests: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

function listOptions(flags: ParsedFlags): ListOptions {
  return {
    format: flags.last("format") ?? "table",
    quiet: flags.isOn("quiet"),
    whole: flags.isOn("no-trunc"),
    digests: flags.isOn("digests"),
    now: Date.now(),
  };
}

/** IDs, a table, a JSON object a line, or what a template makes of each, as docker images prints them. */
export function imagesText(found: readonly ImageSummary[], options: ListOptions): string {
  const rows = found.map((image) => fieldsOf(image, options));
  const { format } = options;
  if (options.quiet) return rows.map(({ ID }) => `${ID}\n`).join("");
  if (format === "table") return imagesTable(rows, options);
  if (format === "json") return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  const [, template] = /^table\s(.*)$/s.exec(format) ?? [];
  const write = compileTemplate(template ?? format);
  const lines = rows.map((row) => write(withHidden(row, { VirtualSize: row.Size, ...UNKNOWN })));
  if (template === undefined) return lines.map((line) => `${line}\n`).join("");
  return columns([write(withHidden(TITLES, UNKNOWN_TITLES)), ...lines].map((line) => line.split("\t")));
}

const NONE = "<none>";

/** Docker's names for what a list has. */
function fieldsOf(image: ImageSummary, { whole, now }: ListOptions) {
  const { repository, tag, digest, imageId, createdAt, sizeBytes } = image;
  return {
    Repository: safeName(repository ?? NONE),
    Tag: safeName(tag ?? NONE),
    Digest: digest ?? NONE,
    ID: whole ? imageId : imageId.replace(/^sha256:/, "").slice(0, 12),
    CreatedSince: age(now - createdAt),
    CreatedAt: dockerTime(createdAt),
    Size: sizeBytes === undefined ? "-" : formatBytes(sizeBytes),
    SizeBytes: sizeBytes ?? null,
  };
}

/** `2026-11-29 19:43:19 +0000 UTC`, as docker images has it. */
function dockerTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} +0000 UTC`;
}

type Row = ReturnType<typeof fieldsOf>;

const TITLES: Readonly<Record<keyof Row, string>> = {
  Repository: "REPOSITORY",
  Tag: "TAG",
  Digest: "DIGEST",
  ID: "IMAGE ID",
  CreatedSince: "CREATED",
  CreatedAt: "CREATED AT",
  Size: "SIZE",
  SizeBytes: "BYTES",
};

/** What docker's templates know and docker itself does not tell in a list. */
const UNKNOWN = { Containers: "N/A", SharedSize: "N/A", UniqueSize: "N/A" };

const UNKNOWN_TITLES = {
  VirtualSize: "SIZE",
  Containers: "CONTAINERS",
  SharedSize: "SHARED SIZE",
  UniqueSize: "UNIQUE SIZE",
};

function imagesTable(rows: readonly Row[], { digests }: ListOptions): string {
  const shown: readonly (keyof Row)[] = [
    ...(["Repository", "Tag"] as const),
    ...(digests ? (["Digest"] as const) : []),
    ...(["ID", "CreatedSince", "Size"] as const),
  ];
  return columns([TITLES, ...rows].map((row) => shown.map((name) => String(row[name]))));
}

const AGES = [
  { unit: "year", ms: 365 * 86_400_000 },
  { unit: "month", ms: 30 * 86_400_000 },
  { unit: "week", ms: 7 * 86_400_000 },
  { unit: "day", ms: 86_400_000 },
  { unit: "hour", ms: 3_600_000 },
  { unit: "minute", ms: 60_000 },
  { unit: "second", ms: 1000 },
] as const;

/** `3 hours ago`: the largest unit of which there are two; seconds at last. */
export function age(ms: number): string {
  const { unit, ms: length } = AGES.find((candidate) => ms >= 2 * candidate.ms) ?? AGES[AGES.length - 1]!;
  const count = Math.max(0, Math.floor(ms / length));
  return `${count} ${unit}${count === 1 ? "" : "s"} ago`;
}
