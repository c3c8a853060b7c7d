/** Images of two builders in one form: what their configs say and what their layers hold. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { decompress, readTar, type TarEntry } from "@tsbuild/oci";
import { blobPath, type Config, type Manifest, readLayout } from "../interop/layout.ts";

type Layers = Manifest["layers"];
type History = Config["history"];

/** A member of a layer, by the field that differs. */
export interface Entry {
  readonly path: string;
  readonly type: string;
  readonly mode: string;
  readonly owner: string;
  readonly target: string;
  /** Seconds; `now`: of the build. */
  readonly time: string;
  readonly capabilities: string;
  /** Of the content. */
  readonly digest: string;
}

export interface Image {
  readonly config: Readonly<Record<string, unknown>>;
  /** What of each instruction is the author's: no times. */
  readonly history: readonly string[];
  readonly layers: readonly ReadonlyMap<string, Entry>[];
}

/** Contexts and bases are older (see context.ts). */
const SINCE_S = 1_700_000_000;

function timeOf({ mtimeNs }: TarEntry): string {
  // To the second: BuildKit rounds.
  const seconds = Number(mtimeNs / 1_000_000_000n);
  return seconds >= SINCE_S ? "now" : String(seconds);
}

async function entryOf(entry: TarEntry, body: AsyncIterable<Uint8Array>): Promise<Entry> {
  const hash = createHash("sha256");
  for await (const chunk of body) hash.update(chunk);
  const capability = entry.xattrs?.find(({ name }) => name === "security.capability")?.value;
  return {
    path: entry.path,
    type: entry.type,
    mode: entry.mode.toString(8),
    owner: `${entry.uid}:${entry.gid}`,
    target: entry.target ?? "",
    time: timeOf(entry),
    capabilities: capability === undefined ? "" : Buffer.from(capability).toString("hex"),
    digest: entry.type === "file" ? hash.digest("hex").slice(0, 12) : "",
  };
}

/** A further name of a file is the file itself: which of the names comes first is the packer's choice. */
function resolveHardLink(entry: Entry, entries: ReadonlyMap<string, Entry>): Entry {
  const first = entry.type === "hardlink" ? entries.get(entry.target) : undefined;
  return first === undefined ? entry : { ...first, path: entry.path };
}

async function readLayer(path: string): Promise<ReadonlyMap<string, Entry>> {
  const entries = new Map<string, Entry>();
  for await (const { entry, body } of readTar(decompress(createReadStream(path))))
    entries.set(entry.path, await entryOf(entry, body));
  return new Map([...entries].map(([name, entry]) => [name, resolveHardLink(entry, entries)]));
}

/** Without an order of fields. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, field]) => [key, sorted(field)]),
  );
}

/** Reads a layout with one image. */
export async function readImage(layout: string): Promise<Image> {
  const { manifest, config } = readLayout(layout);
  // BuildKit writes null for a list without entries.
  const layers = (manifest.layers as Layers | null) ?? [];
  const history = (config.history as History | null) ?? [];
  return {
    config: sorted(config.config ?? {}) as Image["config"],
    history: history.map(({ created_by, empty_layer }) => `${created_by}${empty_layer ? " (empty)" : ""}`),
    layers: await Promise.all(layers.map(({ digest }) => readLayer(blobPath(layout, digest)))),
  };
}
