import { errnoCode, TsbuildError } from "@tsbuild/base";
import type { Store } from "@tsbuild/store";
import { type BuildRecord, type BuildStatus, RECORD_VERSION, type StepRecord } from "./record.ts";

// A record of 10,000 steps has some 20 MB.
const MAX_BYTES = 256 * 1024 * 1024;
const STATUSES: readonly BuildStatus[] = ["running", "ok", "failed", "canceled", "crashed"];
const STEP_STATUSES: readonly StepRecord["status"][] = ["running", "cached", "ok", "failed", "canceled"];

function invalid(why: string, cause?: unknown): TsbuildError {
  return new TsbuildError("TSB_USAGE", `the record of a build cannot be imported: ${why}`, {
    hint: "it is what tsbuild history export wrote",
    cause,
  });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What everything that shows builds relies on; fields that may be missing are left as they came. */
function isStep(value: unknown): value is StepRecord {
  return (
    isObject(value) &&
    Number.isInteger(value["number"]) &&
    typeof value["name"] === "string" &&
    typeof value["vertex"] === "string" &&
    isTexts(value["inputs"]) &&
    STEP_STATUSES.some((status) => status === value["status"]) &&
    Number.isFinite(value["startedAt"]) &&
    (value["endedAt"] === undefined || Number.isFinite(value["endedAt"]))
  );
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

function isRequest(value: unknown): boolean {
  return (
    isObject(value) &&
    typeof value["context"] === "string" &&
    isObject(value["buildArgs"]) &&
    ["tags", "platforms", "outputs", "noCacheFilter"].every((name) => isTexts(value[name]))
  );
}

/** Reads what `tsbuild history export` wrote, here or elsewhere. Throws TSB_USAGE. */
export function parseExported(text: string): BuildRecord {
  if (text.length > MAX_BYTES) throw invalid(`it has more than ${MAX_BYTES} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid("it is not valid JSON", cause);
  }
  if (!isObject(value)) throw invalid("it is not an object");
  if (value["version"] !== RECORD_VERSION)
    throw invalid(`its version is ${JSON.stringify(value["version"])}; this tsbuild knows ${RECORD_VERSION}`);
  const { status, startedAt, finishedAt, title, warnings, request, steps } = value;
  if (!STATUSES.some((one) => one === status)) throw invalid(`its status is ${JSON.stringify(status)}`);
  const times = [startedAt, finishedAt ?? 0, warnings];
  if (!times.every((time) => Number.isFinite(time) && Number(time) >= 0) || typeof title !== "string")
    throw invalid("its times, warnings or title are missing");
  if (!isRequest(request)) throw invalid("its request is not one");
  if (!Array.isArray(steps)) throw invalid("it has no list of steps");
  const wrong = steps.findIndex((step) => !isStep(step));
  if (wrong >= 0) throw invalid(`step ${wrong + 1} of its list is not one`);
  return value as unknown as BuildRecord;
}

/** Without what only means something in the state folder that it comes from: snapshots, folders, and output, which an export leaves behind. */
function withoutPlace(step: StepRecord): StepRecord {
  const { op, inputSnapshots, outputSnapshots, inputFolders, hasLog, ...rest } = step;
  return rest;
}

/** Adds the record of a build to the history, under an ID of its own. Throws TSB_USAGE, TSB_STORE, TSB_DISK_FULL. */
export function importRecord(store: Store, text: string): BuildRecord {
  const given = parseExported(text);
  const writer = store.history.begin(Math.trunc(given.startedAt));
  const status = given.status === "running" ? "crashed" : given.status;
  const record: BuildRecord = { ...given, id: writer.id, status, steps: given.steps.map(withoutPlace) };
  try {
    writer.write(JSON.stringify(record));
  } catch (error) {
    writer.discard();
    if (errnoCode(error) !== "ENOSPC") throw error;
    throw new TsbuildError("TSB_DISK_FULL", `the disk of ${store.root} is full: nothing was imported`, {
      cause: error,
    });
  }
  writer.close();
  return record;
}
