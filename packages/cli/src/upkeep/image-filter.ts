import { suggestion, TsbuildError } from "@tsbuild/base";
import type { ImageDetails, ImageSummary } from "@tsbuild/engine";
import { durationMs } from "../history/duration.ts";

/** What filters ask about images beside what a list has. */
export interface ImageFacts {
  inspect(image: string): ImageDetails;
}

type Test = (image: ImageSummary) => boolean;
type MakeTest = (value: string, facts: ImageFacts) => Test;

function isDangling({ repository }: ImageSummary): boolean {
  return repository === undefined;
}

/** A list has when an image got its name; docker compares when it was made. */
function createdMs(facts: ImageFacts, image: string): number {
  return Date.parse(facts.inspect(image).Created);
}

function hasLabel(value: string, facts: ImageFacts): Test {
  const [key = "", wanted] = value.split(/=(.*)/s, 2);
  return ({ imageId }) => {
    const found = facts.inspect(imageId).Config.Labels?.[key];
    return found !== undefined && (wanted === undefined || found === wanted);
  };
}

/** A date, seconds since the epoch, or how long ago. */
function untilMs(value: string): number {
  if (/^\d{4}-/.test(value)) return Date.parse(value);
  return /^\d+$/.test(value) ? Number(value) * 1000 : Date.now() - durationMs("--filter until", value);
}

const TESTS: Readonly<Record<string, MakeTest>> = {
  dangling: (value) => (image) => isDangling(image) === ["true", "1"].includes(value),
  label: hasLabel,
  "label!": (value, facts) => {
    const has = hasLabel(value, facts);
    return (image) => !has(image);
  },
  before: (value, facts) => (image) => createdMs(facts, image.imageId) < createdMs(facts, value),
  since: (value, facts) => (image) => createdMs(facts, image.imageId) > createdMs(facts, value),
  until: (value, facts) => {
    const before = untilMs(value);
    if (Number.isNaN(before)) throw new TsbuildError("TSB_USAGE", `--filter until=${value} is not a time`);
    return (image) => createdMs(facts, image.imageId) < before;
  },
  reference: (value) => referenceTest([value]),
};

/** `app`, `app:1`, `team/?pp:1.*`: names as they are shown; without a tag, all tags. */
export function referenceTest(patterns: readonly string[]): Test {
  const tests = patterns.map((pattern) => {
    const text = pattern.replace(/^docker\.io\/(?:library\/)?/, "");
    const escaped = text.replace(/[.+^${}()|\\[\]]/g, "\\$&");
    return new RegExp(`^${escaped.replaceAll("*", "[^/]*").replaceAll("?", "[^/]")}$`);
  });
  return ({ name, repository, tag }) => {
    if (repository === undefined) return false;
    return tests.some((test) =>
      [name, repository, `${repository}:${tag ?? ""}`].some((one) => test.test(one)),
    );
  };
}

/** docker's `--filter`: several of `reference` are alternatives, all else must hold. Throws TSB_USAGE. */
export function imageFilter(filters: readonly string[], facts: ImageFacts | undefined): Test {
  if (facts === undefined) return () => true;
  const references: string[] = [];
  const tests = filters.flatMap((text): Test[] => {
    const [key = "", value] = text.split(/=(.*)/s, 2);
    const make = Object.hasOwn(TESTS, key) ? TESTS[key] : undefined;
    if (make === undefined || value === undefined) throw unknownFilter(key, text);
    if (key !== "reference") return [make(value, facts)];
    references.push(value);
    return [];
  });
  if (references.length > 0) tests.push(referenceTest(references));
  return (image) => tests.every((test) => test(image));
}

function unknownFilter(key: string, text: string): TsbuildError {
  const keys = Object.keys(TESTS);
  const near = keys.includes(key) ? "it needs a value" : suggestion(key, keys);
  return new TsbuildError("TSB_USAGE", `--filter ${JSON.stringify(text)}: ${near}`, {
    hint: `KEY=VALUE with one of ${keys.join(", ")}`,
  });
}
