import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const page = join(import.meta.dirname, "../README.md");
const text = await readFile(page, "utf8");

/** The fenced programs of the page with the heading above each. */
const examples = Array.from(text.matchAll(/^```ts\n([\s\S]*?)^```$/gm), (match) => {
  const headings = text.slice(0, match.index).match(/^#+ .*$/gm) ?? [];
  return { heading: headings.at(-1) ?? "", code: match[1]! };
});

describe("examples of README.md", () => {
  let folder = "";
  // Inside of the package, so that its own name is found from there.
  beforeAll(async () => {
    const parent = join(import.meta.dirname, "../node_modules/.cache");
    await mkdir(parent, { recursive: true });
    folder = await mkdtemp(join(parent, "readme-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test("there are some, and each asserts something", () => {
    expect(examples.length).toBeGreaterThanOrEqual(8);
    for (const { heading, code } of examples) expect(code, heading).toMatch(/assert\./);
  });

  test.each(examples.map((example, index) => ({ ...example, index })))(
    "$heading ($index)",
    async ({ code, index }) => {
      const file = join(folder, `example-${index}.ts`);
      await writeFile(file, `import assert from "node:assert/strict";\n${code}`);
      await import(/* @vite-ignore */ pathToFileURL(file).href);
    },
  );
});
