import { bounds } from "../bounds.ts";
import { exactText } from "../text.ts";
import type { FoundPackage } from "../types.ts";
import type { Elf, ReadAt } from "./elf.ts";

/** Where a Go program says what it was built from (Go's debug/buildinfo). */
const MAGIC = Buffer.from("\xff Go buildinf:", "latin1");
const HEADER_BYTES = 32;
/** The blob is aligned to 16 bytes and near the start of its section. */
const ALIGNMENT = 16;
const SEARCHED_BYTES = 64 * 1024;
const POINTERS_BIG_ENDIAN = 1;
/** Since Go 1.18 the texts follow the header, each with its length. */
const TEXTS_INLINE = 2;
/** Marks around the list of modules, for programs that look for it without this blob. */
const MARK_BYTES = 16;
const NEWLINE = 0x0a;
const NOTHING = Buffer.alloc(0);

interface BuildInfo {
  /** `go1.22.5` */
  readonly version: string;
  readonly modules: string;
}

/** The modules that a Go program was built from, its standard library among them; none for other programs. */
export function goPackages(elf: Elf, readAt: ReadAt, foundIn: string): FoundPackage[] {
  const info = readBuildInfo(elf, readAt);
  if (info === undefined) return [];
  const version = exactText(/^go(\S+)/.exec(info.version)?.[1]);
  const library = version === undefined ? [] : [goPackage({ path: "stdlib", version }, foundIn)];
  return [...library, ...modulesOf(info.modules).map((module) => goPackage(module, foundIn))];
}

interface Module {
  readonly path: string;
  readonly version: string;
}

function goPackage({ path, version }: Module, foundIn: string): FoundPackage {
  return { type: "golang", name: path, version, licenses: [], foundIn };
}

/** Lines of `mod`, `dep` and `=>` (what replaces the one before), with path, version and checksum between tabs. */
export function modulesOf(text: string): Module[] {
  const modules: Module[] = [];
  for (const line of text.split("\n")) {
    const [word, path, version] = line.split("\t");
    if (word !== "mod" && word !== "dep" && word !== "=>") continue;
    const module = moduleOf(path, version);
    // One that is replaced by a folder of the builder's has no version that anybody else knows.
    const isFolder = word === "=>" && module?.version === "";
    const replaced = word === "=>" ? modules.pop() : undefined;
    if (isFolder && replaced !== undefined) modules.push({ path: replaced.path, version: "" });
    else if (module !== undefined) modules.push(module);
    if (modules.length >= bounds.packages) break;
  }
  return modules;
}

function moduleOf(path: string | undefined, version: string | undefined): Module | undefined {
  const name = exactText(path);
  // The program's own module, when it was not fetched by version.
  const known = version === "(devel)" ? "" : (exactText(version) ?? "");
  return name === undefined ? undefined : { path: name, version: known };
}

function readBuildInfo(elf: Elf, readAt: ReadAt): BuildInfo | undefined {
  const at = findBlob(elf, readAt);
  if (at === undefined) return undefined;
  const header = readAt(at, HEADER_BYTES);
  if (header.length < HEADER_BYTES) return undefined;
  const flags = header[15] ?? 0;
  const texts =
    (flags & TEXTS_INLINE) !== 0 ? inlineTexts(readAt, at + HEADER_BYTES) : pointedTexts(elf, readAt, header);
  const [version, modules] = texts;
  if (version === undefined || version.length === 0) return undefined;
  return {
    version: version.toString(),
    modules: modules === undefined ? "" : withoutMarks(modules).toString(),
  };
}

function findBlob(elf: Elf, readAt: ReadAt): number | undefined {
  // Without its section table a program has it at the start of its data.
  const place =
    elf.sections.find(({ name }) => name === ".go.buildinfo") ??
    elf.segments.find(({ isWritable }) => isWritable);
  if (place === undefined) return undefined;
  const bytes = readAt(place.offset, Math.min(place.size, SEARCHED_BYTES));
  for (let at = bytes.indexOf(MAGIC); at >= 0; at = bytes.indexOf(MAGIC, at + 1)) {
    if (at % ALIGNMENT === 0) return place.offset + at;
  }
  return undefined;
}

function inlineTexts(readAt: ReadAt, start: number): Buffer[] {
  const texts: Buffer[] = [];
  let at = start;
  while (texts.length < 2) {
    const length = varint(readAt(at, 10));
    if (length === undefined || length.value > bounds.goModulesBytes) break;
    texts.push(readAt(at + length.bytes, length.value));
    at += length.bytes + length.value;
  }
  return texts;
}

/** Unsigned, seven bits a byte, the lowest first. */
function varint(bytes: Buffer): { readonly value: number; readonly bytes: number } | undefined {
  let value = 0;
  for (const [index, byte] of bytes.entries()) {
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return { value, bytes: index + 1 };
  }
  return undefined;
}

/** Before Go 1.18: two pointers to texts' own pointer and length, as they are in the program's memory. */
function pointedTexts(elf: Elf, readAt: ReadAt, header: Buffer): Buffer[] {
  const width = header[14];
  if (width !== 4 && width !== 8) return [];
  const isBig = ((header[15] ?? 0) & POINTERS_BIG_ENDIAN) !== 0;
  const word = (bytes: Buffer, at: number): number | undefined => {
    if (at + width > bytes.length) return undefined;
    if (width === 4) return isBig ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
    return Number(isBig ? bytes.readBigUInt64BE(at) : bytes.readBigUInt64LE(at));
  };
  return [16, 16 + width].map((at) => {
    const text = readMemory(elf, readAt, word(header, at), 2 * width);
    const length = word(text, width);
    if (length === undefined || length > bounds.goModulesBytes) return NOTHING;
    return readMemory(elf, readAt, word(text, 0), length);
  });
}

function readMemory(elf: Elf, readAt: ReadAt, address: number | undefined, length: number): Buffer {
  if (address === undefined) return NOTHING;
  const segment = elf.segments.find((one) => one.address <= address && address < one.address + one.size);
  if (segment === undefined) return NOTHING;
  const inside = address - segment.address;
  return readAt(segment.offset + inside, Math.min(length, segment.size - inside));
}

function withoutMarks(modules: Buffer): Buffer {
  const isMarked = modules.length > 2 * MARK_BYTES && modules[modules.length - MARK_BYTES - 1] === NEWLINE;
  return isMarked ? modules.subarray(MARK_BYTES, modules.length - MARK_BYTES) : modules;
}
