import { nearest, TsbuildError } from "@tsbuild/base";
import type { HistoryEntry, LogFrame, Store } from "@tsbuild/store";
import { importRecord } from "./import.ts";
import { type BuildRecord, RECORD_VERSION, type StepRecord } from "./record.ts";

/**
 * The builds of a state folder, also of other processes and such as are at work. Everything is read when it is asked for; an entry
 * that a power cut left without a whole record is passed over.
 */
export interface BuildHistory {
  /** Newest first. */
  list(): readonly BuildRecord[];
  /** By ID, a beginning of it that is unique, or `^N`: the Nth before the newest. Throws TSB_USAGE. */
  find(reference: string): BuildRecord;
  /** By number, vertex digest, or a part of its name that only one step has. Throws TSB_USAGE. */
  step(build: BuildRecord, reference: string): StepRecord;
  /** What a step wrote, in pieces, in the order in which it came; read lazily: it may be larger than memory. */
  log(build: BuildRecord, step: StepRecord): Iterable<LogFrame>;
  /**
   * For a step that came from the cache: the newest build before in which the same vertex ran, and that step; undefined when none is
   * kept. What it copied or mounted may have had other content then.
   */
  lastRun(build: BuildRecord, step: StepRecord): RecordedStep | undefined;
  /** Adds a record that `tsbuild history export` wrote, under a new ID, without what only its own state folder has. Throws TSB_USAGE. */
  import(text: string): BuildRecord;
  /** With its logs. False for a build that is at work. */
  remove(build: Pick<BuildRecord, "id">): boolean;
}

export interface RecordedStep {
  readonly build: BuildRecord;
  readonly step: StepRecord;
}

export function buildHistory(store: Store): BuildHistory {
  const list = (): BuildRecord[] => store.history.list().flatMap((entry) => readRecord(entry) ?? []);
  const entryOf = ({ id }: BuildRecord) => store.history.list().find((entry) => entry.id === id);
  return {
    list,
    find: (reference) => findBuild(list(), reference),
    step: findStep,
    log: (build, step) => entryOf(build)?.log(String(step.number)) ?? [],
    lastRun: (build, step) => findLastRun(list(), build, step),
    import: (text) => importRecord(store, text),
    remove: (build) => store.history.remove(build.id),
  };
}

/** A record that says it runs, of a process that is gone, is that of a crash. */
function readRecord(entry: HistoryEntry): BuildRecord | undefined {
  const record = parseRecord(entry.document());
  if (record?.status !== "running" || entry.isOpen()) return record;
  // It may have ended between the two looks.
  const now = parseRecord(entry.document());
  return now?.status === "running" ? { ...now, status: "crashed" } : now;
}

function parseRecord(text: string | undefined): BuildRecord | undefined {
  if (text === undefined) return undefined;
  try {
    const record = JSON.parse(text) as BuildRecord;
    return record.version === RECORD_VERSION ? record : undefined;
  } catch (error) {
    // Nothing of the history is fsynced: a power cut leaves files without content.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function findBuild(builds: readonly BuildRecord[], reference: string): BuildRecord {
  const back = /^\^(\d+)$/.exec(reference)?.[1];
  const found =
    back === undefined
      ? builds.filter((build) => reference !== "" && build.id.startsWith(reference))
      : builds.slice(Number(back), Number(back) + 1);
  const [build, ...others] = found;
  if (build !== undefined && others.length === 0) return build;
  const what = others.length > 0 ? `${found.length} builds begin with` : "no build is";
  throw new TsbuildError("TSB_USAGE", `${what} ${JSON.stringify(reference)}`, {
    hint: builds.length === 0 ? "nothing was built on this state folder yet" : "tsbuild history ls",
  });
}

function findLastRun(
  builds: readonly BuildRecord[],
  { id }: BuildRecord,
  { vertex }: StepRecord,
): RecordedStep | undefined {
  for (const build of builds.slice(builds.findIndex((one) => one.id === id) + 1)) {
    const step = build.steps.find((one) => one.vertex === vertex && one.status === "ok");
    if (step !== undefined) return { build, step };
  }
  return undefined;
}

function findStep(build: BuildRecord, reference: string): StepRecord {
  const byNumber = build.steps.find((step) => String(step.number) === reference);
  if (byNumber !== undefined) return byNumber;
  const found = build.steps.filter(
    (step) => reference !== "" && (step.vertex === reference || step.name.includes(reference)),
  );
  const [step, ...others] = found;
  if (step !== undefined && others.length === 0) return step;
  const what = others.length > 0 ? `${found.length} steps have` : "no step has";
  const near = others.length > 0 ? undefined : nearStep(build, reference);
  const guess = near === undefined ? "" : `did you mean ${JSON.stringify(near)}? `;
  throw new TsbuildError("TSB_USAGE", `${what} ${JSON.stringify(reference)} in its name`, {
    hint: `${guess}tsbuild history show ${build.id} numbers the steps`,
  });
}

/** Words of a step's name that the reference is a typing mistake of: as many words as it has. */
function nearStep({ steps }: BuildRecord, reference: string): string | undefined {
  const count = reference.trim().split(/\s+/).length;
  const phrases = steps.flatMap(({ name }) => {
    const words = name.split(/\s+/);
    return words.map((_, at) => words.slice(at, at + count).join(" "));
  });
  return nearest(reference, new Set(phrases));
}
