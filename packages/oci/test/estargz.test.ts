import { gunzipSync } from "node:zlib";
import { sha256 } from "@tsbuild/base";
import { estargz, readTar, type TarEntry, type TarMember, writeTar } from "@tsbuild/oci";
import { expect, test } from "vitest";

const CHUNK = 4 * 1024 * 1024;
const common = { mode: 0o644, uid: 1, gid: 2, mtimeNs: 1_600_000_000_500_000_000n } as const;

function file(path: string, body: Buffer): TarMember {
  return { entry: { ...common, path, type: "file", size: body.length }, body };
}

function other(path: string, type: TarEntry["type"], rest: Partial<TarEntry> = {}): TarMember {
  return { entry: { ...common, path, type, size: 0, ...rest } };
}

const LARGE = Buffer.alloc(2 * CHUNK + 100, "0123456789abcdef!");
const LONG_NAME = `d/${"n".repeat(200)}/ü`;
const MEMBERS = [
  other("d", "folder", { mode: 0o1777 }),
  file("d/small", Buffer.from("small")),
  file("d/empty", Buffer.alloc(0)),
  file("d/large", LARGE),
  file(LONG_NAME, Buffer.from("long")),
  other("hard", "hardlink", { target: "d/small" }),
  other("link", "symlink", { target: "d/small" }),
  other("null", "char", { major: 1, minor: 3 }),
  file("stargz.index.json", Buffer.from("somebody else's")),
  {
    entry: {
      ...common,
      path: "x",
      type: "file" as const,
      size: 0,
      xattrs: [{ name: "user.a", value: Buffer.of(0, 255) }],
    },
  },
];

async function made(members: readonly TarMember[], level = 6) {
  const { stream, result } = estargz(writeTar(members), level);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return { blob: Buffer.concat(chunks), ...result() };
}

/** The table as a snapshotter finds it: by the footer. */
function tableOf(blob: Buffer) {
  const footer = blob.subarray(-51);
  expect(footer.subarray(0, 16).toString("hex")).toBe("1f8b08040000000000ff1a0053471600");
  const [, hex = ""] = /^([0-9a-f]{16})STARGZ$/.exec(footer.toString("latin1", 16, 38)) ?? [];
  expect(gunzipSync(footer)).toHaveLength(0);
  const tar = gunzipSync(blob.subarray(Number.parseInt(hex, 16)));
  expect(tar.toString("latin1", 0, 17)).toBe("stargz.index.json");
  const size = Number.parseInt(tar.toString("latin1", 124, 135), 8);
  const toc = tar.subarray(512, 512 + size);
  expect(tar.length).toBe(512 + Math.ceil(size / 512) * 512 + 1024);
  return {
    toc,
    table: JSON.parse(toc.toString()) as { version: number; entries: Record<string, unknown>[] },
  };
}

test("is gzip of the same files, with a landmark before and the table behind them", async () => {
  const { blob, diffId, sizeBytes } = await made(MEMBERS);
  const tar = gunzipSync(blob);
  expect([sha256(tar), tar.length]).toEqual([diffId, sizeBytes]);
  const found: [TarEntry, number][] = [];
  const read = async function* () {
    yield tar;
  };
  for await (const { entry, body } of readTar(read())) {
    let bytes = 0;
    for await (const chunk of body) bytes += chunk.length;
    found.push([entry, bytes]);
  }
  expect(found[0]![0]).toMatchObject({ path: ".no.prefetch.landmark", size: 1 });
  const kept = MEMBERS.filter(({ entry }) => entry.path !== "stargz.index.json");
  expect(found.slice(1, -1).map(([entry]) => entry)).toMatchObject(kept.map(({ entry }) => entry));
  expect(found.at(-1)![0].path).toBe("stargz.index.json");
  for (const [entry, bytes] of found) expect(bytes).toBe(entry.size);
});

test("every file is found by the table, in a gzip member of its own that is what its digest says", async () => {
  const { blob, tocDigest } = await made(MEMBERS);
  const { toc, table } = tableOf(blob);
  expect(sha256(toc)).toBe(tocDigest);
  expect(table.version).toBe(1);
  const names = table.entries.filter(({ type }) => type !== "chunk").map(({ name }) => name);
  expect(names).toEqual([
    ...[".no.prefetch.landmark", "d/", "d/small", "d/empty", "d/large", LONG_NAME],
    ...["hard", "link", "null", "x"],
  ]);
  const large = table.entries.filter(({ name }) => name === "d/large");
  expect(large.map(({ type, chunkOffset, chunkSize }) => [type, chunkOffset, chunkSize])).toEqual([
    ["reg", undefined, CHUNK],
    ["chunk", CHUNK, CHUNK],
    ["chunk", 2 * CHUNK, undefined],
  ]);
  expect(large[0]).toMatchObject({
    size: LARGE.length,
    digest: sha256(LARGE),
    modtime: "2020-09-13T12:26:40Z",
  });
  const contents = new Map(MEMBERS.map(({ entry, body }) => [entry.path, body as Buffer]));
  for (const { name, offset, chunkOffset = 0, chunkSize, chunkDigest } of table.entries) {
    if (offset === undefined || name === ".no.prefetch.landmark") continue;
    const whole = contents.get(String(name))!;
    const length = (chunkSize as number | undefined) ?? whole.length - Number(chunkOffset);
    const piece = gunzipSync(blob.subarray(Number(offset))).subarray(0, length);
    expect(sha256(piece)).toBe(chunkDigest);
    expect(piece.equals(whole.subarray(Number(chunkOffset), Number(chunkOffset) + length))).toBe(true);
  }
  expect(table.entries.find(({ name }) => name === "null")).toMatchObject({
    type: "char",
    devMajor: 1,
    devMinor: 3,
  });
  expect(table.entries.find(({ name }) => name === "x")).toMatchObject({ xattrs: { "user.a": "AP8=" } });
  expect(table.entries.find(({ name }) => name === "d/")).toMatchObject({
    type: "dir",
    mode: 0o1777,
    uid: 1,
    gid: 2,
  });
});

test("equal layers give equal bytes; an empty one is a table of the landmark", async () => {
  expect((await made(MEMBERS)).blob.equals((await made(MEMBERS)).blob)).toBe(true);
  expect((await made(MEMBERS, 1)).tocDigest).not.toBe((await made(MEMBERS)).tocDigest);
  const { table } = tableOf((await made([])).blob);
  expect(table.entries.map(({ name }) => name)).toEqual([".no.prefetch.landmark"]);
});
