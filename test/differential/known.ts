/** Differences that are meant (docs/differences.md), so that a search shows the others. */
import type { Case } from "./case.ts";
import type { Difference } from "./compare.ts";
import { CONTEXT_TIME_S } from "./context.ts";

interface Known {
  /** The row of docs/differences.md, in a few words. */
  readonly row: string;
  readonly holds: (difference: Difference, of: Case) => boolean;
}

const isNow = (text: string): boolean => text === '"now"';

const KNOWN: readonly Known[] = [
  {
    row: "folders of --parents keep their times, and those that an archive implies have those of what is in them",
    holds: ({ place, theirs }, { dockerfile }) =>
      place.endsWith(" time") && isNow(theirs) && /--parents|^ADD /m.test(dockerfile),
  },
  {
    row: "folders that an archive implies have the owner of what is in them",
    holds: ({ place, theirs }, { dockerfile }) =>
      place.endsWith(" owner") && theirs === '"0:0"' && /^ADD .*--chown/m.test(dockerfile),
  },
  {
    row: "the folder that COPY . makes has the time of the context's folder",
    holds: ({ place, theirs, ours }) =>
      place.endsWith(" time") && isNow(theirs) && ours === JSON.stringify(String(CONTEXT_TIME_S)),
  },
  {
    row: "a folder of which nothing but the time changed is in the layer",
    holds: ({ place, theirs, ours }) =>
      place.startsWith("layer ") && theirs === "none" && ours.includes('"type":"folder"'),
  },
  {
    row: "setuid, setgid and sticky bits of --chmod hold for the folder that a COPY makes",
    holds: ({ place, theirs, ours }) =>
      place.endsWith(" mode") && /^"[1-7]\d{3}"$/.test(ours) && theirs === `"${ours.slice(2)}`,
  },
  {
    row: "a user or group of --chown that the image does not have is an error",
    holds: ({ place, ours }) => place === "outcome" && /no (user|group) named/.test(ours),
  },
  {
    row: "two files copied to one destination that is not a folder are an error",
    holds: ({ place, ours }) => place === "outcome" && ours.includes("which is not a folder"),
  },
  {
    row: "--exclude is held against files that a source names or a wildcard matches as well",
    holds: ({ place, ours }, { dockerfile }) =>
      place.startsWith("layer ") && ours === "none" && dockerfile.includes("--exclude"),
  },
  {
    row: "COPY --parents . works",
    holds: ({ place, theirs }, { dockerfile }) =>
      place === "outcome" && theirs.includes('"/": not found') && dockerfile.includes("--parents"),
  },
  {
    row: "a link that leads nowhere, and that a wildcard matches, is copied as a link",
    holds: ({ place, theirs, ours }) =>
      place === "outcome" && ours === "built" && /too many links|"\/[^"]*": not found/.test(theirs),
  },
  {
    row: "a folder in which mount points were made and removed has its old time again",
    holds: ({ place, theirs }) => place.endsWith(" etc time") && isNow(theirs),
  },
];

/** What is left of differences without the known ones. */
export function unknownDifferences(all: readonly Difference[], of: Case): Difference[] {
  return all.filter((difference) => !KNOWN.some(({ holds }) => holds(difference, of)));
}
