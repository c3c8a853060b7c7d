import type { LineRange, VertexDigest } from "@tsbuild/base";
import type { SourceMap } from "./op.ts";
import { bytes, int, malformed, mapEntry, readMessage, text } from "./wire-reader.ts";
import { type MessageWriter, writeMessage } from "./wire-writer.ts";

interface Place {
  readonly file: number;
  readonly range: LineRange;
}

/** `pb.Location` of whole lines in one file: columns of its positions are not kept. */
function writeLocation(w: MessageWriter, { file, range }: Place): void {
  w.int(1, file);
  w.message(2, (m) => {
    m.message(1, (position) => position.int(1, range.start));
    m.message(2, (position) => position.int(1, range.end));
  });
}

function writeInfo(w: MessageWriter, map: SourceMap): void {
  w.string(1, map.file);
  w.bytes(2, new TextEncoder().encode(map.text));
  w.string(4, map.language);
}

/** `pb.Source`: one location per range, so that ranges of several instructions stay apart. */
export function encodeSources(maps: readonly SourceMap[]): Uint8Array {
  const locations = new Map<VertexDigest, Place[]>();
  for (const [file, map] of maps.entries()) {
    for (const [digest, ranges] of map.locations) {
      const list = locations.get(digest) ?? [];
      locations.set(digest, list);
      for (const range of ranges) list.push({ file, range });
    }
  }
  const entries = Array.from(locations, ([digest, list]) => {
    const message = writeMessage((m) => {
      for (const place of list) m.message(1, (one) => writeLocation(one, place));
    });
    return [digest, message] as const;
  });
  return writeMessage((w) => {
    w.messageMap(1, Object.fromEntries(entries));
    for (const map of maps) w.message(2, (m) => writeInfo(m, map));
  });
}

function decodeLine(data: Uint8Array): number {
  let line = 0;
  readMessage(
    data,
    "Position",
    {
      1: int((v) => {
        line = v;
      }),
    },
    "skip",
  );
  return line;
}

function decodeRange(data: Uint8Array): LineRange {
  const range = { start: 0, end: 0 };
  const fields = {
    1: bytes((v) => {
      range.start = decodeLine(v);
    }),
    2: bytes((v) => {
      range.end = decodeLine(v);
    }),
  };
  readMessage(data, "Range", fields, "skip");
  return range;
}

interface Location {
  readonly file: number;
  readonly ranges: readonly LineRange[];
}

function decodeLocation(data: Uint8Array): Location {
  const ranges: LineRange[] = [];
  let file = 0;
  const fields = {
    1: int((v) => {
      file = v;
    }),
    2: bytes((v) => ranges.push(decodeRange(v))),
  };
  readMessage(data, "Location", fields, "skip");
  return { file, ranges };
}

function decodeLocations(data: Uint8Array): Location[] {
  const locations: Location[] = [];
  readMessage(data, "Locations", { 1: bytes((v) => locations.push(decodeLocation(v))) }, "skip");
  return locations;
}

interface OpenSourceMap extends SourceMap {
  readonly locations: Map<VertexDigest, LineRange[]>;
}

function decodeInfo(data: Uint8Array): OpenSourceMap {
  const info = { file: "", text: "", language: "" };
  const fields = {
    1: text((v) => {
      info.file = v;
    }),
    2: bytes((v) => {
      info.text = new TextDecoder().decode(v);
    }),
    4: text((v) => {
      info.language = v;
    }),
  };
  readMessage(data, "SourceInfo", fields, "skip");
  return { ...info, locations: new Map() };
}

/** Reads `pb.Source`. `rename` gives a vertex's digest in the graph, which may differ from the one in the file. */
export function decodeSources(
  data: Uint8Array,
  rename: (digest: string) => VertexDigest | undefined,
): SourceMap[] {
  const maps: OpenSourceMap[] = [];
  const places: [string, Location[]][] = [];
  const fields = {
    1: mapEntry<Uint8Array>(new Uint8Array(), bytes, (key, value) =>
      places.push([key, decodeLocations(value)]),
    ),
    2: bytes((v) => maps.push(decodeInfo(v))),
  };
  readMessage(data, "Source", fields, "skip");
  for (const [key, locations] of places) {
    const digest = rename(key);
    if (digest === undefined) continue;
    for (const { file, ranges } of locations) {
      const map = maps[file];
      if (map === undefined) throw malformed(`source file ${file} does not exist`);
      map.locations.set(digest, [...(map.locations.get(digest) ?? []), ...ranges]);
    }
  }
  return maps;
}
