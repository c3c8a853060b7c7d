import { createHash } from "node:crypto";
import { copied, readTar, released, type TarEntry, type TarMember, writeTar } from "@tsbuild/oci";
import { describe, expect, test } from "vitest";
import { collect, file, inChunks, node, noise, streamOf } from "./bytes.ts";

interface ReadBack {
  readonly entry: TarEntry;
  readonly body: Buffer;
}

async function readAll(stream: AsyncIterable<Uint8Array>): Promise<ReadBack[]> {
  const members: ReadBack[] = [];
  for await (const { entry, body } of readTar(stream)) members.push({ entry, body: await collect(body) });
  return members;
}

async function roundTrip(...members: readonly TarMember[]): Promise<ReadBack[]> {
  return readAll(streamOf(await collect(writeTar(members))));
}

async function entryOf(member: TarMember): Promise<TarEntry> {
  const [read] = await roundTrip(member);
  if (read === undefined) throw new Error("nothing was read back");
  return read.entry;
}

const damaged = { code: "TSB_INTEGRITY" };

const EVERYTHING: readonly TarMember[] = [
  node("etc", "folder", { mode: 0o1777, mtimeNs: 1_234_567_890_123_456_789n }),
  file("etc/capable", "abc", {
    mode: 0o4755,
    xattrs: [{ name: "security.capability", value: Buffer.from("0100000200200000ff000a00fe", "hex") }],
  }),
  node("etc/link", "symlink", { target: "capable" }),
  node("etc/again", "hardlink", { target: "etc/capable" }),
  node("null", "char", { major: 1, minor: 3, mode: 0o666 }),
  node("disk", "block", { major: 8, minor: 0, mode: 0o660, gid: 6 }),
  node("pipe", "fifo"),
  file("empty", ""),
];

describe("a tar archive", () => {
  test("has the same bytes in every version of tsbuild", async () => {
    const bytes = await collect(writeTar(EVERYTHING));
    const digest = createHash("sha256").update(bytes).digest("hex");
    expect(digest).toBe("c1f3d96d7e3e1bed3ae1ffc2303c1d99b5ad5d0a6a898160d3024bc1652fc625");
  });

  test("gives back every kind of entry", async () => {
    const read = await roundTrip(...EVERYTHING);
    expect(read.map(({ entry }) => `${entry.type} ${entry.path} ${entry.mode.toString(8)}`)).toEqual([
      "folder etc 1777",
      "file etc/capable 4755",
      "symlink etc/link 777",
      "hardlink etc/again 644",
      "char null 666",
      "block disk 660",
      "fifo pipe 644",
      "file empty 644",
    ]);
    expect(read[0]?.entry.mtimeNs).toBe(1_234_567_890_123_456_789n);
    expect(read[1]?.body.toString()).toBe("abc");
    expect(read[2]?.entry.target).toBe("capable");
    expect(read[3]?.entry.target).toBe("etc/capable");
    expect(read[5]?.entry).toMatchObject({ major: 8, minor: 0, gid: 6 });
  });

  test("keeps the bytes of binary xattrs", async () => {
    const value = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const xattrs = [
      { name: "user.empty", value: Buffer.alloc(0) },
      { name: "user.octets", value },
    ];
    expect((await entryOf(file("x", "", { xattrs }))).xattrs).toEqual(xattrs);
  });

  test.each([
    ["a name of 100 bytes", "n".repeat(100)],
    ["a name of 101 bytes", "n".repeat(101)],
    ["a path of 4,000 bytes", `${"dir/".repeat(999)}name`],
    ["umlauts", "größe/datei"],
    ["bytes that are not UTF-8", "caf\udce9/\udcff\udc80"],
    ["a new line and an equals sign", "a\nb=c"],
    ["spaces at the end", "name  "],
  ])("keeps %s", async (_, path) => {
    expect((await entryOf(file(path, "x"))).path).toBe(path);
    expect((await entryOf(node("link", "symlink", { target: path }))).target).toBe(path);
  });

  test("keeps mode 0, which is not the same as no mode", async () => {
    expect((await entryOf(file("secret", "x", { mode: 0 }))).mode).toBe(0);
  });

  test.each([0, 262_143, 262_144, 2_097_152, 4_294_967_294])("keeps the owner %i", async (id) => {
    expect(await entryOf(file("x", "", { uid: id, gid: id }))).toMatchObject({ uid: id, gid: id });
  });

  test.each([0n, 1n, -1n, 999_999_999n, -1_500_000_000n, 4_102_444_800_000_000_000n])(
    "keeps the time %s",
    async (mtimeNs) => {
      expect((await entryOf(file("x", "", { mtimeNs }))).mtimeNs).toBe(mtimeNs);
    },
  );

  test("keeps a device number beyond what the header holds", async () => {
    expect(await entryOf(node("d", "block", { major: 259, minor: 1_048_575 }))).toMatchObject({
      major: 259,
      minor: 1_048_575,
    });
  });

  test("streams a body of unknown chunks, and reads it in chunks that fit nothing", async () => {
    const body = noise(700_001);
    const entry = { ...file("big", "").entry, size: body.length };
    const bytes = await collect(writeTar([{ entry, body: inChunks(body, 33_333) }, file("after", "x")]));
    expect(bytes.length % 512).toBe(0);
    const read = await readAll(inChunks(bytes, 777));
    expect(read.map(({ entry: { path } }) => path)).toEqual(["big", "after"]);
    expect(read[0]?.body.equals(body)).toBe(true);
  });

  test("gives the same bytes in memory that is used again", async () => {
    const members = () => {
      const large = noise(300_000);
      const entry = { ...file("large", "").entry, size: large.length };
      const small = Array.from({ length: 500 }, (_, index) => file(`small${index}`, noise(index * 3, index)));
      return [...small, { entry, body: inChunks(large, 70_000) }, ...small];
    };
    const bytes = await collect(writeTar(members(), { reuse: true }));
    expect(bytes.equals(await collect(writeTar(members())))).toBe(true);
    const chunks: Buffer[] = [];
    for await (const chunk of writeTar(members())) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  });

  test("refuses a body that is not as long as its entry says", async () => {
    const entry = { ...file("big", "").entry, size: 10 };
    await expect(collect(writeTar([{ entry, body: streamOf(Buffer.from("short")) }]))).rejects.toThrow(
      /size mismatch/i,
    );
  });

  test("passes on the failure of what it packs", async () => {
    const failing = (async function* () {
      yield file("a", "x");
      throw new Error("the disk is gone");
    })();
    await expect(collect(writeTar(failing))).rejects.toThrow("the disk is gone");
  });

  test.each([1, 3, 40])(
    "that is given up after %i chunks closes the body that it was packing",
    async (chunks) => {
      let closed = false;
      const body = (async function* () {
        try {
          for (;;) yield Buffer.alloc(100_000);
        } finally {
          closed = true;
        }
      })();
      let read = 0;
      for await (const _ of writeTar([{ entry: { ...file("endless", "").entry, size: 1e12 }, body }])) {
        read += 1;
        if (read === chunks) break;
      }
      expect(closed).toBe(true);
    },
  );

  test("skips the bodies that nobody reads", async () => {
    const bytes = await collect(writeTar([file("a", noise(200_000)), file("b", noise(10)), file("c", "x")]));
    const paths: string[] = [];
    for await (const { entry } of readTar(inChunks(bytes, 65_536))) paths.push(entry.path);
    expect(paths).toEqual(["a", "b", "c"]);
  });
});

/** A header block as no writer of ours would make it. */
function rawHeader(fields: { name?: string; type?: string; size?: string; magic?: string }): Buffer {
  const block = Buffer.alloc(512);
  block.write(fields.name ?? "name", 0, "latin1");
  block.write("0000644\x000000000\x000000000\0", 100, "latin1");
  block.write(`${fields.size ?? "00000000000"}\0`, 124, "latin1");
  block.write("00000000000\0        ", 136, "latin1");
  block.write(fields.type ?? "0", 156, "latin1");
  block.write(fields.magic ?? "ustar\x0000", 257, "latin1");
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

const END = Buffer.alloc(1024);

function padded(text: string | Buffer): Buffer {
  const body = Buffer.from(text);
  return Buffer.concat([body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

function octalSize(size: number): string {
  return size.toString(8).padStart(11, "0");
}

describe("an archive from elsewhere", () => {
  test("of the seventies, without magic, is read", async () => {
    const read = await readAll(streamOf(rawHeader({ name: "old", magic: "" }), END));
    expect(read.map(({ entry }) => entry.path)).toEqual(["old"]);
  });

  test("with GNU long names is read, byte by byte", async () => {
    const name = Buffer.concat([Buffer.from("x".repeat(150)), Buffer.of(0xff, 0)]);
    const long = rawHeader({
      name: "././@LongLink",
      type: "L",
      size: octalSize(name.length),
      magic: "ustar  \0",
    });
    const read = await readAll(streamOf(long, padded(name), rawHeader({ magic: "ustar  \0" }), END));
    expect(read.map(({ entry }) => entry.path)).toEqual([`${"x".repeat(150)}\udcff`]);
  });

  test("with a global header (git archive) is read", async () => {
    const record = "52 comment=0123456789012345678901234567890123456789\n";
    const global = rawHeader({ name: "pax_global_header", type: "g", size: octalSize(record.length) });
    const read = await readAll(streamOf(global, padded(record), rawHeader({ name: "a" }), END));
    expect(read.map(({ entry }) => entry.path)).toEqual(["a"]);
  });

  test("ends at its end: what follows is not read as files, but it is read", async () => {
    let taken = 0;
    const source = (async function* () {
      for (const chunk of [
        rawHeader({ name: "seen" }),
        END,
        rawHeader({ name: "hidden" }),
        END,
        Buffer.alloc(99),
      ]) {
        taken += chunk.length;
        yield chunk;
      }
    })();
    const read = await readAll(source);
    expect(read.map(({ entry }) => entry.path)).toEqual(["seen"]);
    expect(taken).toBe(512 * 2 + 2048 + 99);
  });

  test("without an end is read as far as it goes, as tar does", async () => {
    expect(await readAll(streamOf(rawHeader({ name: "a" })))).toHaveLength(1);
    expect(await readAll(streamOf())).toEqual([]);
  });

  test("cut in a body is refused", async () => {
    const bytes = await collect(writeTar([file("a", noise(100_000))]));
    await expect(readAll(streamOf(bytes.subarray(0, 50_000)))).rejects.toMatchObject(damaged);
  });

  test("cut in a header is refused", async () => {
    const bytes = await collect(writeTar([file("a", "x"), file("b", "y")]));
    await expect(readAll(streamOf(bytes.subarray(0, 1024 + 100)))).rejects.toMatchObject(damaged);
  });

  test("with a wrong checksum is refused", async () => {
    const block = rawHeader({ name: "a" });
    block.write("b", 0);
    await expect(readAll(streamOf(block, END))).rejects.toMatchObject(damaged);
  });

  test("that claims a giant header is refused before it is read", async () => {
    const claim = rawHeader({ name: "PaxHeader", type: "x", size: octalSize(3 * 1024 * 1024) });
    let taken = 0;
    const source = (async function* () {
      yield claim;
      for (let block = 0; block < 6144; block++) {
        taken += 512;
        yield Buffer.alloc(512, 0x41);
      }
    })();
    await expect(readAll(source)).rejects.toMatchObject(damaged);
    expect(taken).toBeLessThan(1024 * 1024);
  });

  test.each([
    ["a record without length", "path=x\n"],
    ["a record longer than the header", "999 path=x\n"],
    ["a record without a new line", "9 path=xy"],
    ["a record without a value", "8 pathx\n"],
    ["a length of zero", "0 path=x\n"],
    ["a time that is none", "17 mtime=tuesday\n"],
    ["a negative owner", "10 uid=-1\n"],
    ["an owner of 33 bits", "18 uid=8589934592\n"],
    ["a size that is none", "15 size=banana\n"],
    ["a name with a zero byte", "13 path=a\0bcd\n"],
  ])("with %s is refused", async (_, records) => {
    const header = rawHeader({ name: "PaxHeader", type: "x", size: octalSize(records.length) });
    await expect(readAll(streamOf(header, padded(records), rawHeader({}), END))).rejects.toMatchObject(
      damaged,
    );
  });

  test.each([
    ["GNU's own form", [rawHeader({ name: "sparse", type: "S" })]],
    [
      "PAX",
      [
        rawHeader({ name: "PaxHeader", type: "x", size: octalSize(22) }),
        padded("22 GNU.sparse.major=1\n"),
        rawHeader({ name: "sparse" }),
      ],
    ],
  ])("with a sparse file in %s is refused with a way out", async (_, blocks) => {
    const failure = { code: "TSB_UNSUPPORTED", hint: expect.stringContaining("--sparse") };
    await expect(readAll(streamOf(...blocks, END))).rejects.toMatchObject(failure);
  });

  test("cannot smuggle xattrs into the prototype of anything", async () => {
    const records = "22 __proto__=pollution\n".replace("22", "23");
    const header = rawHeader({ name: "PaxHeader", type: "x", size: octalSize(records.length) });
    await readAll(streamOf(header, padded(records), rawHeader({}), END));
    expect(({} as Record<string, unknown>)["pollution"]).toBeUndefined();
  });
});

/** Chunks with memory of their own, of no size that fits anything. */
async function* ownChunks(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7 + 3) % 4099) {
    const chunk = Buffer.allocUnsafeSlow(Math.min(size, bytes.length - at));
    bytes.copy(chunk, 0, at);
    yield chunk;
  }
}

describe("an archive whose memory is given back", () => {
  test("gives the same members, and keeps nothing of a chunk when the next is asked for", async () => {
    const bytes = await collect(writeTar([...EVERYTHING, file("large", noise(100_000)), file("last", "x")]));
    const chunks: Buffer[] = [];
    const source = async function* () {
      for await (const chunk of ownChunks(bytes)) {
        chunks.push(chunk);
        yield chunk;
      }
    };
    const members: ReadBack[] = [];
    for await (const { entry, body } of readTar(released(source())))
      members.push({ entry, body: await collect(copied(body)) });
    expect(members).toEqual(await readAll(streamOf(bytes)));
    expect(chunks.length).toBeGreaterThan(10);
    expect(chunks.map(({ length }) => length)).toEqual(chunks.map(() => 0));
  });

  test("ends in an error when it is cut at any place, and never waits", async () => {
    const bytes = await collect(writeTar(EVERYTHING));
    const whole = await readAll(streamOf(bytes));
    for (let end = 1; end < bytes.length; end += 97) {
      const read = await readAll(ownChunks(bytes.subarray(0, end))).catch((error: unknown) => error);
      // Between two members, where every archive may end.
      if (Array.isArray(read)) expect(whole.slice(0, read.length)).toEqual(read);
      else expect(read).toMatchObject(damaged);
    }
  });
});
