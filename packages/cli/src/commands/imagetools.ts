import { TsbuildError } from "@tsbuild/base";
import type { IndexAnnotation } from "@tsbuild/engine";
import type { ParsedFlags } from "../flags/parse.ts";
import { commaList, parsePlatform } from "../flags/values.ts";
import type { CommandIo } from "../io.ts";
import { compileTemplate } from "../template/render.ts";
import { forStream } from "./for-stream.ts";
import { type Asked, onlyOne, withImages } from "./with-images.ts";

const ACTIONS: Readonly<Record<string, (asked: Asked) => Promise<void>>> = { create, inspect };

export function imagetools(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const [name = "", ...operands] = flags.operands;
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) {
    throw new TsbuildError("TSB_USAGE", `tsbuild imagetools: ${JSON.stringify(name)} is not known`, {
      hint: "create or inspect; tsbuild imagetools --help",
    });
  }
  return withImages(flags, io, operands, action);
}

/** `[index:]KEY=VALUE`, `manifest-descriptor[linux/arm64]:KEY=VALUE`. */
export function parseIndexAnnotation(text: string): IndexAnnotation {
  const match = /^(?:(index|manifest-descriptor)(?:\[([^\]]+)\])?:)?([^=]+)=(.*)$/s.exec(text);
  const [, scope = "index", platform, key, value] = match ?? [];
  if (key === undefined || value === undefined || (scope === "index" && platform !== undefined)) {
    throw new TsbuildError("TSB_USAGE", `--annotation ${JSON.stringify(text)} is not [SCOPE:]KEY=VALUE`, {
      hint: "SCOPE is index, manifest-descriptor, or manifest-descriptor[OS/ARCH]",
    });
  }
  return { scope: scope as IndexAnnotation["scope"], platform, key, value };
}

async function create({ images, flags, io, operands }: Asked): Promise<void> {
  const names = flags.all("tag");
  const dryRun = flags.isOn("dry-run");
  if (operands.length === 0 || (names.length === 0 && (!dryRun || flags.isOn("append")))) {
    const what = operands.length === 0 ? "no source is named" : "the index has no name";
    throw new TsbuildError("TSB_USAGE", what, { hint: "tsbuild imagetools create -t NAME SOURCE…" });
  }
  const platforms = commaList(flags.all("platform")).map(parsePlatform);
  const request = {
    sources: operands,
    names,
    append: flags.isOn("append"),
    annotations: flags.all("annotation").map(parseIndexAnnotation),
    platforms: platforms.length === 0 ? undefined : platforms,
    dryRun,
  };
  const created = await images.createIndex(request, { signal: io.signal });
  if (dryRun) io.stdout.write(`${forStream(io, Buffer.from(created.bytes).toString())}\n`);
  else for (const name of created.names) io.stdout.write(`${name}@${created.digest}\n`);
}

async function inspect({ images, flags, io, operands }: Asked): Promise<void> {
  const name = onlyOne(operands, "tsbuild imagetools inspect NAME");
  const found = await images.remote(name, { signal: io.signal });
  if (flags.isOn("raw")) return void io.stdout.write(forStream(io, Buffer.from(found.bytes).toString()));
  const { mediaType, digest, bytes } = found;
  const document = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>;
  const view = { Name: found.name, Manifest: { ...document, mediaType, digest, size: bytes.length } };
  const format = flags.last("format");
  const text =
    format === undefined
      ? summary(view)
      : format === "json"
        ? JSON.stringify(view, undefined, 2)
        : compileTemplate(format)(view);
  io.stdout.write(`${forStream(io, text)}\n`);
}

interface View {
  readonly Name: string;
  readonly Manifest: { readonly mediaType: string; readonly digest: string; readonly manifests?: unknown };
}

interface Entry {
  readonly mediaType?: string;
  readonly digest?: string;
  readonly platform?: { readonly os?: string; readonly architecture?: string; readonly variant?: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

function lines(fields: readonly (readonly [string, string | undefined])[], indent: string): string[] {
  return fields.flatMap(([key, value]) =>
    value === undefined ? [] : `${indent}${`${key}:`.padEnd(13)}${value}`,
  );
}

/** In the words of docker buildx imagetools inspect. */
function summary({ Name, Manifest }: View): string {
  const { mediaType, digest, manifests } = Manifest;
  const head = lines(
    [
      ["Name", Name],
      ["MediaType", mediaType],
      ["Digest", digest],
    ],
    "",
  );
  if (!Array.isArray(manifests)) return head.join("\n");
  const entries = (manifests as readonly Entry[]).map((entry) => entryText(Name, entry));
  return [...head, "", "Manifests:", entries.join("\n\n")].join("\n");
}

function entryText(name: string, { mediaType, digest, platform, annotations = {} }: Entry): string {
  const place = `${name.replace(/(@.*|:[^/:@]*)$/, "")}@${digest}`;
  const { os, architecture, variant } = platform ?? {};
  const shown = platform && [os, architecture, ...(variant ? [variant] : [])].join("/");
  const fields = lines(
    [
      ["Name", place],
      ["MediaType", mediaType],
      ["Platform", shown],
    ],
    "  ",
  );
  const notes = Object.entries(annotations).map(([key, value]) => `    ${key}: ${value}`);
  return [...fields, ...(notes.length === 0 ? [] : ["  Annotations:", ...notes])].join("\n");
}
