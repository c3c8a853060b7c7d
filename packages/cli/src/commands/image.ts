import { suggestion, TsbuildError } from "@tsbuild/base";
import type { ImageStep, ImageSummary, RemovedImage } from "@tsbuild/engine";
import type { ParsedFlags } from "../flags/parse.ts";
import type { CommandIo } from "../io.ts";
import { formatBytes } from "../progress/units.ts";
import { safeName } from "../sanitize.ts";
import { dockerView, withHidden } from "../template/docker-view.ts";
import { compileTemplate } from "../template/render.ts";
import { imageFilter } from "../upkeep/image-filter.ts";
import { columns } from "../upkeep/table.ts";
import { confirm } from "./confirm.ts";
import { forStream } from "./for-stream.ts";
import { age, listImages } from "./images.ts";
import { type Action, type Asked, need, onlyOne, withImages } from "./with-images.ts";

const ACTIONS: Readonly<Record<string, Action>> = {
  inspect: inspectImages,
  history: historyOf,
  tag: tagImage,
  rm: removeImages,
  prune: pruneImages,
  sbom: async (asked) => (await import("./image-sbom.ts")).printSbom(asked),
};

/** `tsbuild image ls|inspect|history|sbom|tag|rm|prune`. */
export async function image(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const [word = "", ...operands] = flags.operands;
  if (word === "ls") return listImages(flags, io, operands);
  const action = Object.hasOwn(ACTIONS, word) ? ACTIONS[word] : undefined;
  if (action !== undefined) return withImages(flags, io, operands, action);
  const known = [...Object.keys(ACTIONS), "ls"];
  const what = word === "" ? "image needs an action" : `image has no action ${JSON.stringify(word)}`;
  throw new TsbuildError("TSB_USAGE", what, {
    hint: suggestion(word, known),
  });
}

export const inspect = (flags: ParsedFlags, io: CommandIo) =>
  withImages(flags, io, flags.operands, inspectImages);
export const imageHistory = (flags: ParsedFlags, io: CommandIo) =>
  withImages(flags, io, flags.operands, historyOf);
export const tag = (flags: ParsedFlags, io: CommandIo) => withImages(flags, io, flags.operands, tagImage);
export const rmi = (flags: ParsedFlags, io: CommandIo) => withImages(flags, io, flags.operands, removeImages);

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

async function inspectImages(asked: Asked): Promise<void> {
  const { images, flags, io, operands } = asked;
  if (flags.last("diff") !== undefined || flags.isOn("layers")) {
    return (await import("./image-anatomy.ts")).inspectLayers(asked);
  }
  need(operands, 1, "tsbuild inspect IMAGE…");
  const format = flags.last("format");
  const write = format === undefined || format === "json" ? undefined : compileTemplate(format);
  const found = forEach(operands, (operand) => images.inspect(operand));
  if (write === undefined) io.stdout.write(`${JSON.stringify(found, undefined, 4)}\n`);
  else for (const details of found) io.stdout.write(`${forStream(io, write(dockerView(details)))}\n`);
}

function historyOf({ images, flags, io, operands }: Asked): void {
  const image = onlyOne(operands, "tsbuild image history IMAGE");
  const steps = images.steps(image);
  const format = flags.last("format");
  if (flags.isOn("quiet")) {
    io.stdout.write(steps.map((step) => `${step.diffId ?? "<none>"}\n`).join(""));
  } else if (format === undefined || format === "table") {
    io.stdout.write(historyTable(steps, { now: Date.now(), whole: flags.isOn("no-trunc") }));
  } else if (format === "json") {
    io.stdout.write(steps.map((step) => `${JSON.stringify(stepFields(step))}\n`).join(""));
  } else {
    const write = compileTemplate(format);
    const { Id } = images.inspect(image);
    const views = steps.map((step, at) => stepView(step, at === 0 ? Id : "<missing>"));
    io.stdout.write(views.map((view) => `${forStream(io, write(view))}\n`).join(""));
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

/** With what docker's templates know besides: the image's ID at the newest step, as no other has one. */
function stepView(step: ImageStep, ID: string): object {
  const { created } = step;
  const CreatedSince = created === undefined ? "" : age(Date.now() - Date.parse(created));
  return withHidden(stepFields(step), { ID, CreatedSince });
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

/** Those without a name, with `--all` the others, too: nothing here is kept by a container, as docker's are. */
async function pruneImages({ images, flags, io, operands }: Asked): Promise<void> {
  if (operands.length > 0) throw new TsbuildError("TSB_USAGE", `surplus arguments: ${operands.join(" ")}`);
  const filters = flags.all("filter");
  const passes = imageFilter(filters, filters.length === 0 ? undefined : images);
  const all = flags.isOn("all") || filters.some((one) => /^dangling=(?:false|0)$/.test(one));
  const question = `This removes the names of ${filters.length === 0 ? "all images" : "all images that the filters let through"}.`;
  if (all && !flags.isOn("force") && !(await confirm(question, io))) return;
  const goes = (image: ImageSummary) => (all || image.repository === undefined) && passes(image);
  for (const removed of images.prune(goes)) tellRemoved(io, removed);
}

function tellRemoved(io: CommandIo, { untagged, deleted }: RemovedImage): void {
  for (const name of untagged) io.stdout.write(`Untagged: ${safeName(name)}\n`);
  if (deleted !== undefined) io.stdout.write(`Deleted: ${deleted}\n`);
}
