import { suggestion, TsbuildError } from "@tsbuild/base";
import type { ImageStep, LocalImages, MovedImage, RemovedImage } from "@tsbuild/engine";
import type { ParsedFlags } from "../flags/parse.ts";
import type { CommandIo } from "../io.ts";
import { formatBytes } from "../progress/units.ts";
import { safeName, safeText } from "../sanitize.ts";
import { compileTemplate } from "../template/render.ts";
import { columns } from "../upkeep/table.ts";
import { engineOptions } from "./engine-options.ts";
import { age } from "./images.ts";

interface Asked {
  readonly images: LocalImages;
  readonly flags: ParsedFlags;
  readonly io: CommandIo;
  readonly operands: readonly string[];
}

type Action = (asked: Asked) => void | Promise<void>;

const ACTIONS: Readonly<Record<string, Action>> = {
  inspect: inspectImages,
  history: historyOf,
  tag: tagImage,
  rm: removeImages,
  prune: pruneImages,
};

/** `tsbuild image inspect|history|tag|rm|prune`. */
export async function image(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const [word = "", ...operands] = flags.operands;
  const action = Object.hasOwn(ACTIONS, word) ? ACTIONS[word] : undefined;
  if (action !== undefined) return withImages(flags, io, operands, action);
  const known = Object.keys(ACTIONS);
  const what = word === "" ? "image needs an action" : `image has no action ${JSON.stringify(word)}`;
  throw new TsbuildError("TSB_USAGE", what, {
    hint: suggestion(word, known),
  });
}

export const inspect = (flags: ParsedFlags, io: CommandIo) =>
  withImages(flags, io, flags.operands, inspectImages);
export const pull = (flags: ParsedFlags, io: CommandIo) => withImages(flags, io, flags.operands, pullImages);
export const push = (flags: ParsedFlags, io: CommandIo) => withImages(flags, io, flags.operands, pushImages);
export const save = (flags: ParsedFlags, io: CommandIo) => withImages(flags, io, flags.operands, saveImages);
export const tag = (flags: ParsedFlags, io: CommandIo) => withImages(flags, io, flags.operands, tagImage);
export const rmi = (flags: ParsedFlags, io: CommandIo) => withImages(flags, io, flags.operands, removeImages);

async function withImages(
  flags: ParsedFlags,
  io: CommandIo,
  operands: readonly string[],
  action: Action,
): Promise<number> {
  const engine = await io.openEngine(engineOptions(flags, io));
  try {
    await action({ images: await engine.localImages(), flags, io, operands });
    return 0;
  } finally {
    await engine.close();
  }
}

function need(operands: readonly string[], least: number, hint: string): void {
  if (operands.length >= least) return;
  throw new TsbuildError("TSB_USAGE", "an image is not named", { hint });
}

/** What is not there is told after what is. */
function forEach<T>(operands: readonly string[], work: (operand: string) => T): T[] {
  const results: T[] = [];
  const failures: unknown[] = [];
  for (const operand of operands) {
    try {
      results.push(work(operand));
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 0) return results;
  throw failures.length === 1 ? failures[0] : joined(failures);
}

function joined(failures: readonly unknown[]): TsbuildError {
  const messages = failures.map((failure) => (failure instanceof Error ? failure.message : String(failure)));
  const [first] = failures;
  const code = first instanceof TsbuildError ? first.code : "TSB_RESOLVE";
  return new TsbuildError(code, messages.join("; "), { cause: first });
}

function inspectImages({ images, flags, io, operands }: Asked): void {
  need(operands, 1, "tsbuild inspect IMAGE…");
  const format = flags.last("format");
  const write = format === undefined || format === "json" ? undefined : compileTemplate(format);
  const found = forEach(operands, (operand) => images.inspect(operand));
  if (write === undefined) io.stdout.write(`${JSON.stringify(found, undefined, 4)}\n`);
  else for (const details of found) io.stdout.write(`${forStream(io, write(details))}\n`);
}

/** A program gets what the image says; a terminal must not obey it. */
function forStream(io: CommandIo, text: string): string {
  return io.stdout.isTTY === true ? safeText(text) : text;
}

function historyOf({ images, flags, io, operands }: Asked): void {
  need(operands, 1, "tsbuild image history IMAGE");
  if (operands.length > 1) {
    throw new TsbuildError("TSB_USAGE", `surplus arguments: ${operands.slice(1).join(" ")}`);
  }
  const steps = images.steps(operands[0] ?? "");
  const format = flags.last("format");
  if (flags.isOn("quiet")) {
    io.stdout.write(steps.map((step) => `${step.diffId ?? "<none>"}\n`).join(""));
  } else if (format === undefined || format === "table") {
    io.stdout.write(historyTable(steps, { now: Date.now(), whole: flags.isOn("no-trunc") }));
  } else if (format === "json") {
    io.stdout.write(steps.map((step) => `${JSON.stringify(stepFields(step))}\n`).join(""));
  } else {
    const write = compileTemplate(format);
    io.stdout.write(steps.map((step) => `${forStream(io, write(stepFields(step)))}\n`).join(""));
  }
}

/** Docker's names for the columns. */
function stepFields({ created, createdBy, comment, diffId, sizeBytes }: ImageStep) {
  return {
    Comment: comment,
    CreatedAt: created ?? "",
    CreatedBy: createdBy,
    DiffID: diffId ?? "",
    Size: sizeBytes,
  };
}

/** Characters of an instruction in a table, as docker history cuts them. */
const CREATED_BY = 60;

export function historyTable(
  steps: readonly ImageStep[],
  { now, whole }: { readonly now: number; readonly whole: boolean },
): string {
  const rows = steps.map(({ created, createdBy, comment, diffId, sizeBytes }) => {
    const instruction = safeName(createdBy);
    const cut =
      instruction.length > CREATED_BY && !whole ? `${instruction.slice(0, CREATED_BY - 1)}…` : instruction;
    const layer = diffId === undefined ? "-" : diffId.replace("sha256:", "");
    return [
      whole ? layer : layer.slice(0, 12),
      created === undefined ? "-" : age(now - Date.parse(created)),
      cut,
      formatBytes(sizeBytes),
      safeName(comment),
    ];
  });
  return columns([["LAYER", "CREATED", "CREATED BY", "SIZE", "COMMENT"], ...rows], [3]);
}

function tagImage({ images, operands }: Asked): void {
  need(operands, 2, "tsbuild tag IMAGE NAME[:TAG]…");
  const [source = "", ...names] = operands;
  for (const name of names) images.tag(source, name);
}

function removeImages({ images, flags, io, operands }: Asked): void {
  need(operands, 1, "tsbuild rmi IMAGE…");
  forEach(operands, (operand) => tellRemoved(io, images.remove(operand, { force: flags.isOn("force") })));
}

function pruneImages({ images, io }: Asked): void {
  for (const removed of images.prune()) tellRemoved(io, removed);
}

function tellRemoved(io: CommandIo, { untagged, deleted }: RemovedImage): void {
  for (const name of untagged) io.stdout.write(`Untagged: ${safeName(name)}\n`);
  if (deleted !== undefined) io.stdout.write(`Deleted: ${deleted}\n`);
}

/** `NAME@DIGEST` a line: what Dockerfiles and scripts can pin. */
function tellMoved(io: CommandIo, { name, manifest }: MovedImage): void {
  io.stdout.write(`${name.replace(/@sha256:.*$/, "")}@${manifest}\n`);
}

async function pullImages({ images, io, operands }: Asked): Promise<void> {
  need(operands, 1, "tsbuild pull NAME[:TAG|@DIGEST]…");
  for (const operand of operands) tellMoved(io, await images.pull(operand, { signal: io.signal }));
}

async function pushImages({ images, io, operands }: Asked): Promise<void> {
  need(operands, 1, "tsbuild push REGISTRY/NAME[:TAG]…");
  for (const operand of operands) tellMoved(io, await images.push(operand, { signal: io.signal }));
}

async function saveImages({ images, flags, io, operands }: Asked): Promise<void> {
  need(operands, 1, "tsbuild save -o FILE IMAGE…");
  const output = flags.last("output");
  const dest = output === "-" ? undefined : output;
  if (dest === undefined && io.stdout.isTTY === true) {
    throw new TsbuildError("TSB_USAGE", "an archive is not written to a terminal", {
      hint: "name a file with -o FILE, or pipe it on",
    });
  }
  await images.save(operands, { dest, signal: io.signal });
}
