import { TsbuildError } from "@tsbuild/base";
import type { LoadedImage, MovedImage, PullOptions } from "@tsbuild/engine";
import type { ParsedFlags } from "../flags/parse.ts";
import { commaList, parsePlatform } from "../flags/values.ts";
import type { CommandIo } from "../io.ts";
import { safeName } from "../sanitize.ts";
import { readArchive } from "./read-archive.ts";
import { type Action, type Asked, need, withImages } from "./with-images.ts";

const onImages = (action: Action) => (flags: ParsedFlags, io: CommandIo) =>
  withImages(flags, io, flags.operands, action);

export const pull = onImages(pullImages);
export const push = onImages(pushImages);
export const save = onImages(saveImages);
export const load = onImages(loadImages);
export const exportFiles = onImages(exportImage);

/** `NAME@DIGEST` a line: what Dockerfiles and scripts can pin. */
function tellMoved(io: CommandIo, { name, manifest }: MovedImage): void {
  io.stdout.write(`${name.replace(/@sha256:.*$/, "")}@${manifest}\n`);
}

function platformOf(flags: ParsedFlags) {
  const text = flags.last("platform");
  return text === undefined ? undefined : parsePlatform(text);
}

/** Undefined: this machine's. */
function platformsOf(flags: ParsedFlags): PullOptions["platforms"] {
  const platforms = commaList(flags.all("platform")).map(parsePlatform);
  if (!flags.isOn("all-platforms")) return platforms.length === 0 ? undefined : platforms;
  if (platforms.length === 0) return "all";
  throw new TsbuildError("TSB_USAGE", "--all-platforms and --platform contradict each other", {
    hint: "keep one of them",
  });
}

async function pullImages({ images, flags, io, operands }: Asked): Promise<void> {
  need(operands, 1, "tsbuild pull NAME[:TAG|@DIGEST]…");
  const options = { signal: io.signal, platforms: platformsOf(flags) };
  for (const operand of operands) tellMoved(io, await images.pull(operand, options));
}

async function pushImages({ images, flags, io, operands }: Asked): Promise<void> {
  need(operands, 1, "tsbuild push REGISTRY/NAME[:TAG]…");
  const names = flags.isOn("all-tags") ? operands.flatMap((operand) => images.tagsOf(operand)) : operands;
  for (const name of names) tellMoved(io, await images.push(name, { signal: io.signal }));
}

/** Where `-o` says; undefined is standard output, which is no terminal. */
function destOf({ flags, io }: Asked): string | undefined {
  const output = flags.last("output");
  const dest = output === "-" ? undefined : output;
  if (dest === undefined && io.stdout.isTTY === true) {
    throw new TsbuildError("TSB_USAGE", "an archive is not written to a terminal", {
      hint: "name a file with -o FILE, or pipe it on",
    });
  }
  return dest;
}

async function saveImages(asked: Asked): Promise<void> {
  need(asked.operands, 1, "tsbuild save -o FILE IMAGE…");
  await asked.images.save(asked.operands, {
    dest: destOf(asked),
    platform: platformOf(asked.flags),
    signal: asked.io.signal,
  });
}

async function exportImage(asked: Asked): Promise<void> {
  const { operands, images, io } = asked;
  need(operands, 1, "tsbuild export -o FILE IMAGE");
  const [image = "", ...surplus] = operands;
  if (surplus.length > 0) {
    throw new TsbuildError("TSB_USAGE", `one image at a time, surplus: ${surplus.join(" ")}`, {
      hint: "tsbuild save writes several images into one archive",
    });
  }
  await images.export(image, { dest: destOf(asked), signal: io.signal });
}

async function loadImages({ images, flags, io, operands }: Asked): Promise<void> {
  const [operand, ...surplus] = operands;
  const file = flags.last("input") ?? operand ?? "-";
  if (surplus.length > 0 || (operand !== undefined && flags.last("input") !== undefined)) {
    throw new TsbuildError("TSB_USAGE", "one archive at a time", { hint: "tsbuild load -i images.tar" });
  }
  const source = await readArchive(file, io);
  const options = { signal: io.signal, platform: platformOf(flags), name: flags.last("name") };
  for (const loaded of await images.load(source, options)) tellLoaded(io, loaded);
}

/** In docker's words. */
function tellLoaded(io: CommandIo, { names, imageId }: LoadedImage): void {
  for (const name of names) io.stdout.write(`Loaded image: ${safeName(name)}\n`);
  if (names.length === 0) io.stdout.write(`Loaded image ID: ${imageId}\n`);
}
