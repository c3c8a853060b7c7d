import { bounds } from "./bounds.ts";

const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

/** A stranger's text as one line of bounded length; undefined for anything else than a text that is not empty. */
export function plainText(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const text = value.slice(0, bounds.textLength).toWellFormed().replace(CONTROL, " ").trim();
  return text === "" ? undefined : text;
}

/** Names and versions: without them a package cannot be said, and cut ones would be others. */
export function exactText(value: unknown): string | undefined {
  if (typeof value !== "string" || value.length > bounds.textLength) return undefined;
  return plainText(value);
}
