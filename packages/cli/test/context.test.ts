import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runCli } from "../src/cli.ts";
import { fakeWorld } from "./fake-io.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbuild-context-"));
afterAll(() => rmSync(folder, { recursive: true }));

const files = {
  Dockerfile: 20,
  ".dockerignore": "node_modules\n**/*.log\n!keep.log\n",
  "node_modules/a/index.js": 9000,
  "src/a.ts": 300,
  "src/deep/b.ts": 2000,
  "src/noise.log": 5000,
  "keep.log": 10,
} as const;
for (const [path, content] of Object.entries(files)) {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), typeof content === "number" ? "x".repeat(content) : content);
}

async function listed(...args: string[]) {
  const io = fakeWorld();
  const status = await runCli(["context", ...args], io);
  return { status, out: io.stdout.text, err: io.stderr.text };
}

describe("context ls (W007)", () => {
  it("sums what a build would copy, by what lies at the top", async () => {
    const { status, out } = await listed("ls", folder);
    expect(status).toBe(0);
    expect(out).toBe(
      [
        "  SIZE  FILES  PATH",
        "2.30kB      2  src/",
        "   32B      1  .dockerignore",
        "   20B      1  Dockerfile",
        "   10B      1  keep.log",
        "",
        "2.36kB in 5 files (.dockerignore applied)",
        "",
      ].join("\n"),
    );
  });

  it("lists the largest files, and ignores nothing when told so", async () => {
    const { out } = await listed("ls", "--largest", "2", "--no-ignore", folder);
    expect(out).toMatch(
      /^ {2}SIZE {2}PATH\n9\.00kB {2}node_modules\/a\/index\.js\n5\.00kB {2}src\/noise\.log\n/,
    );
    expect(out).toContain("in 7 files (no .dockerignore)");
  });

  it("speaks JSON", async () => {
    const { out } = await listed("ls", "--format", "json", folder);
    expect(JSON.parse(out)).toMatchObject({
      files: 5,
      ignoreFile: ".dockerignore",
      top: [{ path: "src/", files: 2 }, {}, {}, {}],
    });
  });

  it("says what is wrong", async () => {
    expect((await listed("lst")).err).toContain("did you mean ls?");
    expect((await listed("ls", join(folder, "none"))).err).toContain("does not exist");
  });
});
