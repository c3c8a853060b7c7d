/**
 * What the author of a Dockerfile asks of a step beside what it does (W028): in a comment for tsbuild, so it is nothing to other
 * builders, and no part of the step's identity.
 */
export interface StepPragma {
  /** Its records are not looked at. */
  readonly noCache?: boolean | undefined;
  /** Records older than this are not taken. */
  readonly ttlMs?: number | undefined;
  /** How often it is tried again when its command fails. */
  readonly retry?: number | undefined;
  /** When it is stopped. */
  readonly timeoutMs?: number | undefined;
}

const KEY = "tsbuild.pragma";

/** As an entry of `OpMetadata.description`; nothing where nothing is asked. */
export function describePragma(pragma: StepPragma): Record<string, string> {
  return Object.keys(pragma).length === 0 ? {} : { [KEY]: JSON.stringify(pragma) };
}

export function pragmaOf(metadata: {
  readonly description?: Readonly<Record<string, string>> | undefined;
}): StepPragma {
  const text = metadata.description?.[KEY];
  return text === undefined ? {} : (JSON.parse(text) as StepPragma);
}

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
] as const;

/** As the pragma says it: `90s`, `10m`. */
export function durationText(ms: number): string {
  const unit = UNITS.find(([, size]) => ms % size === 0);
  return unit === undefined ? `${ms / 1000}s` : `${ms / unit[1]}${unit[0]}`;
}
