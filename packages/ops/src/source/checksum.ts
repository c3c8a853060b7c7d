import { type Digest, hideCredentials, isDigest, TsbuildError } from "@tsbuild/base";
import type { SourceName } from "../sources.ts";

/** Attribute that a lock file sets, so that a wrong digest can be told apart from a wrong --checksum. */
export const LOCKED = "tsbuild.locked";

function hintFor(expected: string, locked: boolean): string {
  if (locked) return "it is not what tsbuild.lock says; if that is right: tsbuild build --update-lock …";
  return isDigest(expected)
    ? "check the URL and the --checksum of this ADD"
    : "--checksum takes sha256:<64 hex digits>";
}

/** Holds a download against the checksum of its source op (D111). Throws TSB_INTEGRITY. */
export function checkDownload({ identifier, attrs }: SourceName, digest: Digest): void {
  const expected = attrs["http.checksum"];
  if (expected === undefined || expected === digest) return;
  throw new TsbuildError(
    "TSB_INTEGRITY",
    `${hideCredentials(identifier)}: expected ${expected}, got ${digest}`,
    {
      hint: hintFor(expected, attrs[LOCKED] !== undefined),
    },
  );
}
