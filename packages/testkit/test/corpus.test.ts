import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { differences } from "../src/corpus/differences.ts";
import { Corpus, compareBuilds, compareCalls, compareParsing, Tally } from "../src/corpus/index.ts";

function corpusOf(files: Readonly<Record<string, unknown>>): Corpus {
  const root = mkdtempSync(join(tmpdir(), "tsbuild-corpus-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), typeof content === "string" ? content : JSON.stringify(content));
  }
  return new Corpus(root);
}

test("differences name path, expectation and what came", () => {
  expect(differences({ a: [1, { b: 2 }] }, { a: [1, { b: 3 }], c: true })).toEqual([
    "$.a[1].b: expected 2, got 3",
    "$.c: expected nothing, got true",
  ]);
  expect(differences({ a: undefined }, {})).toEqual([]);
  expect(differences([1], { 0: 1 })).toEqual(['$: expected [1], got {"0":1}']);
});

test("a wrong expectation of each kind is found", async () => {
  const image = {
    image: { architecture: "amd64", os: "linux", config: {}, rootfs: { diff_ids: ["sha256:x"] } },
  };
  const corpus = corpusOf({
    "images.json": { "*": image },
    "dockerfiles/set/one": "FROM a\nARG X\nRUN make\n",
    "dockerfiles/set/bad": "FROM a\nCOPY x\n",
    "expected/set/one.json": {
      parse: { escape: "\\", ast: [] },
      builds: [
        { llb: { ops: [], result: null }, image: { os: "plan9" }, warnings: [{ rule: "R", lines: [1, 1] }] },
      ],
      calls: { lint: { warnings: [] }, outline: { args: [{ name: "Y" }] }, targets: [{ base: "b" }] },
    },
    "expected/set/bad.json": { builds: [{ error: { error: "no", lines: [[1, 1]] } }, { llb: { ops: [] } }] },
  });
  const tally = new Tally();
  compareParsing(corpus, tally);
  await compareBuilds(corpus, tally);
  await compareCalls(corpus, tally);
  const failed = tally.categories().filter((name) => tally.failures(name).length > 0);
  expect(failed).toEqual([
    "parse",
    "instructions",
    "verdict",
    "lines",
    "llb",
    "meta",
    "image",
    "warnings",
    "outline",
    "targets",
  ]);
  expect(tally.score("verdict")).toEqual({ passed: 2, all: 3, onPurpose: 0 });
  expect(tally.failures("targets")[0]!.differences).toContain('$[0].base: expected "b", got "a"');
});

test("a case that the page lists may differ, and must", () => {
  const place = "features/opt-target.Dockerfile target=1";
  const tally = new Tally();
  tally.count("verdict", place, ["it differs"]);
  expect([tally.failures("verdict"), tally.score("verdict").onPurpose]).toEqual([[], 1]);
  const agreeing = new Tally();
  agreeing.count("verdict", place, []);
  expect(agreeing.failures("verdict")).toEqual([]);
  expect(agreeing.staleRows("verdict")).toContain(`${place}: no longer differs`);
});

test("a folder that is none says so", () => {
  expect(new Corpus("/nonexistent").problem).toContain("/nonexistent");
});
