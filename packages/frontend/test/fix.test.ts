import { parse, parseInstructions } from "@tsbuild/dockerfile";
import { Corpus } from "@tsbuild/testkit/corpus";
import { describe, expect, test } from "vitest";
import { check } from "../src/check.ts";
import { CannedImages } from "../src/debug/canned-images.ts";
import { dumpBuild } from "../src/debug/dump-build.ts";
import { requestOfOptions } from "../src/debug/request-options.ts";
import { CATALOGUE } from "../src/lint/catalogue/index.ts";
import { fixDiagnostics } from "../src/lint/fix/fix.ts";

const config = {
  os: "linux",
  architecture: "amd64",
  config: {},
  rootfs: { type: "layers" as const, diff_ids: [] },
};
const images = new CannedImages({ "*": { image: { ...config, history: [{ created_by: "x" }] } } });

/** Checks and repairs until nothing changes. */
async function fix(text: string): Promise<string> {
  for (let now = text; ; ) {
    const report = await check(requestOfOptions({ file: "Dockerfile", text: now }, {}), images);
    const result = fixDiagnostics(report);
    if (result.text === now) return now;
    now = result.text;
  }
}

test.each([
  ["keywords", "FROM a:1\nrun x\nCOPY a \\\n  b\n", "FROM a:1\nRUN x\nCOPY a \\\n  b\n"],
  ["keywords to lower case", 'from a:1\nrun x\nCMD ["y"]', 'from a:1\nrun x\ncmd ["y"]'],
  ["AS and stage names", "FROM a:1 as Base\nFROM Base\n", "FROM a:1 AS base\nFROM base\n"],
  ["protocols", "FROM a:1\nEXPOSE 1/TCP 2 3/Udp\n", "FROM a:1\nEXPOSE 1/tcp 2 3/udp\n"],
  [
    "empty lines, not in heredocs",
    "FROM a:1\nRUN x \\\n\n  \n y <<E\n\nE\n",
    "FROM a:1\nRUN x \\\n y <<E\n\nE\n",
  ],
  ["line ends stay", "FROM a:1\r\nENV a b\r\nrun x\r\n", "FROM a:1\r\nENV a=b\r\nRUN x\r\n"],
  ["a mark at the start stays", "\uFEFFFROM a:1\nENV a b\n", "\uFEFFFROM a:1\nENV a=b\n"],
  [
    "legacy pairs",
    "FROM a:1\nENV a  b c\nLABEL d 'e f'\nENV g $a x\n",
    'FROM a:1\nENV a="b c"\nLABEL d=\'e f\'\nENV g="$a x"\n',
  ],
  ["a value with quotes in it stays", 'FROM a:1\nENV a b "c d" e\\"\n', 'FROM a:1\nENV a b "c d" e\\"\n'],
  [
    "MAINTAINER",
    'FROM a:1\nMAINTAINER J "D" <j@x>\n',
    'FROM a:1\nLABEL org.opencontainers.image.authors="J \\"D\\" <j@x>"\n',
  ],
  ["platform", "FROM --platform=$TARGETPLATFORM  a:1\n", "FROM a:1\n"],
  [
    "a skipped rule stays",
    "# check=skip=LegacyKeyValueFormat\nFROM a:1\nENV a b\n",
    "# check=skip=LegacyKeyValueFormat\nFROM a:1\nENV a b\n",
  ],
  ["a file with mistakes stays", "FROM a:1\nrun x\nCOPY y\n", "FROM a:1\nrun x\nCOPY y\n"],
])("%s", async (_, before, after) => {
  expect(await fix(before)).toBe(after);
});

test.each(CATALOGUE.filter(({ fixable }) => fixable).map((rule) => [rule.name, rule] as const))(
  "%s: the bad example becomes good",
  async (name, rule) => {
    const report = await check(
      requestOfOptions({ file: "Dockerfile", text: await fix(rule.bad) }, {}),
      images,
    );
    expect(report.diagnostics.map((diagnostic) => diagnostic.rule)).not.toContain(name);
  },
);

const corpus = new Corpus();
if (corpus.problem !== undefined) console.log(`skipped: ${corpus.problem}`);

describe.skipIf(corpus.problem !== undefined)("every file of the corpus", () => {
  test("is still valid, repaired only once, and means the same but for what was repaired", async () => {
    let repaired = 0;
    for (const { file, text } of corpus.cases()) {
      const after = await fix(text);
      if (after === text) continue;
      repaired++;
      expect(await fix(after), file).toBe(after);
      expect(environments(after), file).toEqual(environments(text));
      expect(await compiled(after), file).toEqual(await compiled(text));
    }
    expect(repaired).toBeGreaterThan(100);
  }, 300_000);
});

/** Names of steps and lines move with the text; MAINTAINER becomes a label, which the page of its rule says. */
const MOVES: ReadonlySet<string> = new Set(["meta", "history", "author", "org.opencontainers.image.authors"]);

/** What a file compiles to, or that it does not. */
async function compiled(text: string): Promise<unknown> {
  // Files whose warnings are errors are refused before and not after.
  const options = { "build-arg:BUILDKIT_DOCKERFILE_CHECK": "skip=all" };
  const [dump] = await dumpBuild(() => requestOfOptions({ file: "Dockerfile", text }, options), images);
  if (dump?.error !== undefined) return "refused";
  return JSON.parse(
    JSON.stringify({ llb: dump?.llb, image: dump?.image }, (key, value) =>
      MOVES.has(key) ? undefined : value,
    ),
    // A label that was made of a MAINTAINER may be the only one.
    (key, value) => (key === "Labels" && Object.keys(value).length === 0 ? undefined : value),
  );
}

/** Kinds of the instructions, and keys of all pairs; MAINTAINERs are left out, as are the labels made of them. */
function environments(text: string): unknown[] {
  const { stages } = parseInstructions(parse(text, { file: "" }));
  return stages.flatMap(({ commands }) =>
    commands.flatMap((command) => {
      if (command.kind === "env") return [command.env.map(({ key }) => key)];
      if (command.kind === "maintainer") return [];
      if (command.kind !== "label") return [command.kind];
      const keys = command.labels.map(({ key }) => key);
      return keys.join() === "org.opencontainers.image.authors" ? [] : [keys];
    }),
  );
}
