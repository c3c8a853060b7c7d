import { parseTruth, suggestion, TsbuildError } from "@tsbuild/base";
import type { AttestationRequest } from "../api.ts";

/** The options of `--provenance` (X029), read and checked. */
export interface ProvenanceOptions {
  /** `min` leaves out what may give something away: values of arguments, steps, secrets' names (X032). */
  readonly mode: "min" | "max";
  readonly version: "v0.2" | "v1";
  readonly builderId: string;
  readonly fileName: string;
  /** Who asks for it promises that the build can be repeated to the same bytes; that is not checked here. */
  readonly reproducible: boolean;
  readonly inlineOnly: boolean;
}

const KNOWN = ["mode", "version", "builder-id", "filename", "reproducible", "inline-only"];

function usage(message: string, hint?: string): TsbuildError {
  return new TsbuildError("TSB_USAGE", `attestation type=provenance: ${message}`, { hint });
}

function oneOf<T extends string>(
  attrs: AttestationRequest["attrs"],
  key: string,
  words: readonly T[],
  fallback: T,
): T {
  const text = attrs[key] ?? fallback;
  const word = words.find((one) => one === text);
  if (word === undefined) throw usage(`${key}=${JSON.stringify(text)} is not known`, words.join(" or "));
  return word;
}

function isOn(attrs: AttestationRequest["attrs"], key: string): boolean {
  const text = attrs[key] ?? "false";
  const truth = parseTruth(text);
  if (truth !== undefined) return truth;
  throw usage(`${key}=${JSON.stringify(text)} is neither true nor false`);
}

/** Throws TSB_USAGE. */
export function provenanceOptions({ attrs }: AttestationRequest): ProvenanceOptions {
  const unknown = Object.keys(attrs).find((key) => !KNOWN.includes(key));
  if (unknown !== undefined)
    throw usage(`unknown option ${JSON.stringify(unknown)}`, suggestion(unknown, KNOWN));
  const fileName = attrs["filename"] ?? "provenance.json";
  if (!/^[\w.-]+$/.test(fileName) || !fileName.includes("."))
    throw usage(`filename=${JSON.stringify(fileName)} is not the name of a file, such as provenance.json`);
  return {
    mode: oneOf(attrs, "mode", ["min", "max"], "min"),
    version: oneOf(attrs, "version", ["v0.2", "v1"], "v1"),
    builderId: attrs["builder-id"] ?? "",
    fileName,
    reproducible: isOn(attrs, "reproducible"),
    inlineOnly: isOn(attrs, "inline-only"),
  };
}
