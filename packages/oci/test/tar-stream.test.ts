import { setImmediate as nextTurn } from "node:timers/promises";
import { limits } from "@tsbuild/base";
import { decodeName } from "@tsbuild/native-fs";
import { readTar, released, type TarEntry } from "@tsbuild/oci";
import { extract, type Header } from "tar-stream";
import { describe, expect, test } from "vitest";
import { headerBlock, member, paxMember, RandomArchive, Randomness } from "./random-archive.ts";

/*
 * The reader of archives against tar-stream, which is in wide use, on random archives, whole ones, damaged ones and cut ones: the same
 * members with the same bytes, and an error where it has one. `asOurs` and `OUR_REFUSALS` are the differences that are wanted, and why.
 */

interface Seen {
  readonly members: readonly string[];
  /** What it ended with instead of the archive's end. */
  readonly failure?: string | undefined;
}

function shown(entry: Omit<TarEntry, "xattrs">, body: Buffer): string {
  const { path, type, mode, uid, gid, mtimeNs, target, major = 0, minor = 0 } = entry;
  const where = type === "char" || type === "block" ? [major, minor] : [];
  const text = JSON.stringify([path, type, mode, uid, gid, String(mtimeNs), target, where]);
  return `${text} ${body.toString("base64")}`;
}

async function seenByUs(chunks: readonly Buffer[]): Promise<Seen> {
  const members: string[] = [];
  const source = (async function* () {
    // Memory of its own, which is taken away when it has been read: whoever still looks at it finds nothing.
    for (const chunk of chunks) yield new Uint8Array(chunk);
  })();
  try {
    for await (const { entry, body } of readTar(released(source))) {
      const parts: Buffer[] = [];
      for await (const part of body) parts.push(Buffer.from(part));
      members.push(shown(entry, Buffer.concat(parts)));
    }
    return { members };
  } catch (error) {
    return { members, failure: (error as Error).message };
  }
}

const TYPES: Readonly<Record<string, TarEntry["type"]>> = {
  file: "file",
  "contiguous-file": "file",
  directory: "folder",
  symlink: "symlink",
  link: "hardlink",
  "character-device": "char",
  "block-device": "block",
  fifo: "fifo",
};

/** Names are bytes; those that are no text stay what they are. */
function nameOf(latin1: string): string {
  return decodeName(Buffer.from(latin1, "latin1"));
}

/** A member of tar-stream's as ours has to be. */
function asOurs(header: Header, body: Buffer): string {
  const records: Readonly<Record<string, string>> = (header.pax as Record<string, string> | null) ?? {};
  // PAX records about more than names and sizes count (POSIX pax, "pax Extended Header"): it only hands them on.
  const number = (key: string, own: number | undefined): number => Number(records[key] ?? own ?? 0);
  // A folder of v7 archives is told by the end of its name; it finds that out too late to say so.
  const isFolder = header.type === "file" && header.name.endsWith("/");
  const type = isFolder ? "folder" : TYPES[header.type ?? ""];
  // A time that is no number is none; fractions of seconds are kept.
  const seconds = Number(records["mtime"] ?? header.mtime!.getTime() / 1000);
  const mtimeNs = BigInt(Math.round((Number.isNaN(seconds) ? 0 : seconds) * 1000)) * 1_000_000n;
  const entry = {
    path: nameOf(header.name).replace(/(?!^)\/+$/, ""),
    type: type!,
    mode: header.mode! & 0o7777,
    uid: number("uid", header.uid),
    gid: number("gid", header.gid),
    size: 0,
    mtimeNs,
    target: type === "symlink" || type === "hardlink" ? nameOf(header.linkname ?? "") : undefined,
    major: header.devmajor ?? 0,
    minor: header.devminor ?? 0,
  };
  return shown(entry, body);
}

/** It never comes back from some archives: it waits for the body of a folder whose header tells a size. */
const HANGS = "it never ends";
/** When nothing has happened for so many turns of the loop, with all its input there, nothing will. */
const PATIENCE_TURNS = 50;

async function seenByTarStream(chunks: readonly Buffer[]): Promise<Seen> {
  const members: string[] = [];
  // Bytes that are no UTF-8 are kept (only in headers: its PAX records lose them); v7 archives have no magic.
  const options: object = { allowUnknownFormat: true, filenameEncoding: "latin1" };
  const reader = extract(options);
  let turnsLeft = PATIENCE_TURNS;
  reader.on("entry", (header, stream, next) => {
    const parts: Buffer[] = [];
    stream.on("data", (part: unknown) => {
      turnsLeft = PATIENCE_TURNS;
      parts.push(part as Buffer);
    });
    stream.on("error", () => undefined);
    stream.on("end", () => {
      members.push(asOurs(header, Buffer.concat(parts)));
      next();
    });
  });
  const ended = new Promise<Seen>((resolve) => {
    reader.on("finish", () => resolve({ members }));
    reader.on("error", (error: Error) => resolve({ members, failure: error.message }));
  });
  for (const chunk of chunks) reader.write(chunk);
  reader.end(Buffer.alloc(0));
  const hung = (async (): Promise<Seen> => {
    while (turnsLeft-- > 0) await nextTurn();
    return { members, failure: HANGS };
  })();
  return Promise.race([ended, hung]);
}

/** What ours refuses, and what comes of it elsewhere: whoever unpacks would have to guess what was meant. */
const OUR_REFUSALS = [
  // Ids that no file can have. It gives null, negative numbers or NaN.
  /a member's (uid|gid|SCHILY\.devmajor|SCHILY\.devminor) is /,
  // A name that ends where a reader in C thinks it does.
  /a member's name holds a zero byte/,
  // It takes the records that it understands and says nothing of the rest.
  /malformed extended \(PAX\) header/,
  /a member's size is /,
  // A kind of member that nobody knows, or a sparse file, would be unpacked as a file of other bytes.
  /is of an unknown kind|is a sparse file/,
];

function isRefused({ failure }: Seen): boolean {
  return failure !== undefined && OUR_REFUSALS.some((refusal) => refusal.test(failure));
}

/** It wants whole blocks behind the two of zeros that end an archive, and would go on with members there: others stop. */
function isBehindTheEnd(archive: Buffer, { failure }: Seen): boolean {
  return (
    failure === "Unexpected end of data" &&
    archive.length > 1024 &&
    archive.subarray(-1024).every((byte) => byte === 0)
  );
}

/** What is different and should not be. */
function differences(archive: Buffer, ours: Seen, theirs: Seen): string[] {
  // What is before a refusal, or before what it never comes back from, is the same all the same.
  const [all, some] = [
    [ours.members.length, theirs.members.length],
    [theirs.failure === HANGS, isRefused(ours)],
  ];
  const common = some.includes(true) ? Math.min(...all) : Math.max(...all);
  const found = Array.from({ length: common }, (_, at) => [ours.members[at], theirs.members[at]])
    .filter(([our, their]) => our !== their)
    .map(([our, their]) => `${our?.slice(0, 200)}\n  instead of ${their?.slice(0, 200)}`);
  const agree = (ours.failure === undefined) === (theirs.failure === undefined);
  if (!agree && !some.includes(true) && !isBehindTheEnd(archive, theirs))
    found.push(`${ours.failure ?? "a good end"} instead of ${theirs.failure ?? "a good end"}`);
  return found;
}

const ARCHIVES = 3000;
const PARTS = 6;

describe("the reader of archives agrees with tar-stream", () => {
  test.each(Array.from({ length: PARTS }, (_, part) => part))("on random archives, part %i", async (part) => {
    const outcomes = { whole: 0, failed: 0, refused: 0 };
    for (let seed = part; seed < ARCHIVES; seed += PARTS) {
      const random = new Randomness(seed);
      const chunks = random.cut(new RandomArchive(random).bytes());
      const [ours, theirs] = [await seenByUs(chunks), await seenByTarStream(chunks)];
      expect(differences(Buffer.concat(chunks), ours, theirs), `seed ${seed}`).toEqual([]);
      outcomes[ours.failure === undefined ? "whole" : isRefused(ours) ? "refused" : "failed"] += 1;
    }
    // It is about archives of every outcome.
    for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(10);
  });
});

/** What it does otherwise, in archives that are not among the random ones. Each is shown by both, so that a change of either is noticed. */
describe("the reader of archives differs from tar-stream", () => {
  const end = Buffer.alloc(1024);
  const names = async (...parts: Buffer[]): Promise<{ ours: unknown; theirs: unknown }> => {
    const pathOf = (text: string): string => JSON.parse(text.slice(0, text.lastIndexOf("]") + 1))[0];
    const told = ({ members, failure }: Seen): unknown => [members.map(pathOf), failure !== undefined];
    const archive = [Buffer.concat(parts)];
    return { ours: told(await seenByUs(archive)), theirs: told(await seenByTarStream(archive)) };
  };
  const file = (name: string): Buffer => member("0", Buffer.from("text"), name);

  test("it ends at two blocks of zeros: what is behind them, others do not see", async () => {
    const { ours, theirs } = await names(file("a"), end, file("behind"), end);
    expect({ ours, theirs }).toEqual({ ours: [["a"], false], theirs: [["a", "behind"], false] });
  });

  test("a PAX header without records is none", async () => {
    const { ours, theirs } = await names(paxMember("x", {}), file("a"), file("b"), end);
    expect({ ours, theirs }).toEqual({ ours: [["a", "b"], false], theirs: [["a"], true] });
  });

  test("global headers add up (POSIX pax: a value holds until another is given)", async () => {
    const { ours, theirs } = await names(
      paxMember("g", { path: "global" }),
      paxMember("g", { comment: "more" }),
      paxMember("x", { comment: "own" }),
      file("a"),
      end,
    );
    expect({ ours, theirs }).toEqual({ ours: [["global"], false], theirs: [["a"], false] });
  });

  test("a folder has no content, whatever size its header tells", async () => {
    const folder = headerBlock("5", { name: "folder/", sizeBytes: 100 });
    const { ours, theirs } = await names(folder, file("a"), end);
    expect({ ours, theirs }).toEqual({ ours: [["folder", "a"], false], theirs: [[], true] });
  });

  test("names in PAX records are bytes, too (its replacement character is cut to one by this comparison)", async () => {
    const bytes = Buffer.from("10 path=\xff\n", "latin1");
    const { ours, theirs } = await names(member("x", bytes), file("a"), end);
    expect({ ours, theirs }).toEqual({ ours: [["\udcff"], false], theirs: [["\udcfd"], false] });
  });

  test("a header takes no more than a mebibyte", async () => {
    const { ours, theirs } = await names(
      paxMember("x", { comment: "c".repeat(limits.paxBytes) }),
      file("a"),
      end,
    );
    expect({ ours, theirs }).toEqual({ ours: [[], true], theirs: [["a"], false] });
  });
});
