import { limits, TsbuildError } from "@tsbuild/base";
import { format, readDockerfile } from "@tsbuild/dockerfile";
import { check, compile } from "@tsbuild/frontend";
import { CannedImages, requestOfOptions } from "@tsbuild/frontend/debug";
import { describe, expect, test } from "vitest";
import { CASES } from "./support/hostile-cases.ts";

const IMAGE = { image: { rootfs: { type: "layers", diff_ids: [] }, history: [{ created_by: "x" }] } };
const images = new CannedImages({ "*": IMAGE } as never);

const NOISE_MS = 500;

/** Processor time of the run in milliseconds, and how it ended. Anything but a result or a TsbuildError is thrown. */
async function timed(work: () => unknown): Promise<{ readonly ms: number; readonly end: string }> {
  const start = process.cpuUsage();
  let end = "ok";
  try {
    await work();
  } catch (error) {
    if (!(error instanceof TsbuildError)) throw error;
    end = error.message;
  }
  const { user, system } = process.cpuUsage(start);
  return { ms: (user + system) / 1000, end };
}

async function compileText(text: string): Promise<void> {
  await compile(requestOfOptions({ file: "Dockerfile", text, ignore: undefined }, {}, undefined), images);
}

/** All rules, our own among them: a report, whatever is in the file. */
async function checkText(text: string): Promise<void> {
  await check(requestOfOptions({ file: "Dockerfile", text, ignore: undefined }, {}, undefined), images);
}

describe("hostile Dockerfiles end in time linear in their size", () => {
  const readers = {
    read: (text: string) => readDockerfile(text, { file: "Dockerfile" }),
    format: (text: string) => format(text),
    compile: compileText,
    check: checkText,
  };

  for (const { name, n, text, end, compiles } of CASES) {
    for (const [reader, read] of Object.entries(readers)) {
      if (reader === "compile" && compiles === undefined) continue;
      test(`${name}: ${reader}`, async () => {
        const [small, large] = [text(n), text(2 * n)];
        expect(Buffer.byteLength(large)).toBeLessThan(limits.dockerfileBytes);
        const twice = await timed(() => read(large));
        // Four times would be quadratic; collecting garbage and a cold start are the noise, and tell nothing of what takes no longer than they.
        const isQuadratic = async () =>
          twice.ms > NOISE_MS && twice.ms > 3 * (await timed(() => read(small))).ms + NOISE_MS;
        if (await isQuadratic()) {
          // What is quadratic is so each time; what a slow machine has done meanwhile is not.
          const tries: { readonly once: number; readonly twice: number }[] = [];
          while (tries.length < 3 && !tries.some((one) => one.twice < 3 * one.once + NOISE_MS)) {
            const once = await timed(() => read(small));
            tries.push({ once: once.ms, twice: (await timed(() => read(large))).ms });
          }
          const best = tries.at(-1);
          expect(best?.twice, JSON.stringify(tries)).toBeLessThan(3 * (best?.once ?? 0) + NOISE_MS);
        }
        if (twice.end !== "ok") expect(twice.end).toMatch(end ?? /^ok$/);
      });
    }
  }

  test("above the limit of a Dockerfile it is refused at once", async () => {
    const { end } = await timed(() => readers.read(`FROM x\n${"#\n".repeat(9 * 1024 * 1024)}`));
    expect(end).toMatch(/more than the limit/);
  });
});
