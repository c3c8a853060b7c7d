import { limits, TsbuildError } from "@tsbuild/base";
import { format, readDockerfile } from "@tsbuild/dockerfile";
import { compile } from "@tsbuild/frontend";
import { CannedImages, requestOfOptions } from "@tsbuild/frontend/debug";
import { describe, expect, test } from "vitest";

const IMAGE = { image: { rootfs: { type: "layers", diff_ids: [] }, history: [{ created_by: "x" }] } };
const images = new CannedImages({ "*": IMAGE } as never);

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

const lines = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => `${line(index)}\n`).join("");

/** Texts that grow with `n`; `n` is half of what is tried in the end. `compiles`: the frontend is tried as well. */
const CASES: readonly {
  readonly name: string;
  readonly n: number;
  readonly text: (n: number) => string;
  readonly end?: RegExp;
  readonly compiles?: true;
}[] = [
  {
    name: "a Dockerfile of 5 MB",
    n: 70_000,
    text: (n) => `FROM x\n${lines(n, (i) => `RUN echo ${i} and some more`)}`,
  },
  {
    name: "100,000 continuation lines",
    n: 50_000,
    compiles: true,
    text: (n) => `FROM x\nRUN a${" \\\n  # c\n b".repeat(n)}\n`,
  },
  { name: "100,000 lines of ENV", n: 50_000, text: (n) => `FROM x\nENV a=b${" \\\n c=d".repeat(n)}\n` },
  {
    name: "10,000 stages",
    n: 5000,
    compiles: true,
    text: (n) => lines(n, (i) => `FROM x AS s${i}\nRUN a`),
  },
  {
    name: "10,000 stages, each on the one before",
    n: 5000,
    compiles: true,
    text: (n) => `FROM x AS s0\n${lines(n, (i) => `FROM s${i} AS s${i + 1}\nRUN a${i}`)}`,
  },
  {
    name: "10,000 stages, each copying from the one before",
    n: 5000,
    compiles: true,
    text: (n) => `FROM x AS s0\n${lines(n, (i) => `FROM x AS s${i + 1}\nCOPY --from=s${i} /a /b`)}`,
  },
  {
    name: "substitutions nested 10,000 deep",
    n: 5000,
    compiles: true,
    end: /nested more than 100 deep/,
    text: (n) => `FROM x\nENV a=${"${a:-".repeat(n)}${"}".repeat(n)}\n`,
  },
  {
    name: "100,000 flags",
    n: 50_000,
    compiles: true,
    text: (n) => `FROM x\nRUN ${"--mount=type=tmpfs,target=/x ".repeat(n)}a\n`,
  },
  {
    name: "an array of 400,000 strings",
    n: 200_000,
    compiles: true,
    text: (n) => `FROM x\nCMD [${'"a",'.repeat(n)}"b"]\n`,
  },
  {
    name: "arrays nested 200,000 deep",
    n: 100_000,
    compiles: true,
    end: /strings only/,
    text: (n) => `FROM x\nCMD ${"[".repeat(n)}${"]".repeat(n)}\n`,
  },
  {
    name: "40,000 variables",
    n: 20_000,
    compiles: true,
    text: (n) => `FROM x\n${lines(n, (i) => `ENV a${i}=b`)}`,
  },
  { name: "40,000 heredocs", n: 20_000, text: (n) => `FROM x\n${"RUN <<EOF\na\nEOF\n".repeat(n)}` },
  {
    name: "20,000 heredocs of one instruction",
    n: 10_000,
    text: (n) =>
      `FROM x\nCOPY ${lines(n, (i) => `<<E${i} \\`)} /\n${lines(n, (i) => `E${i}`)}`.replaceAll(
        "\\\n /",
        "/",
      ),
  },
  {
    name: "heredocs without an end",
    n: 50_000,
    end: /not terminated/,
    text: (n) => `FROM x\n${"RUN <<EOF\n".repeat(n)}`,
  },
  {
    name: "an open quote in a mount",
    n: 100_000,
    compiles: true,
    end: /out of place/,
    text: (n) => `FROM x\nRUN --mount='"${"ab".repeat(n)}' a\n`,
  },
  { name: "40,000 errors", n: 20_000, end: /no instruction/, text: (n) => `FROM x\n${"RNU a\n".repeat(n)}` },
];

describe("hostile Dockerfiles end in time linear in their size", () => {
  const readers = {
    read: (text: string) => readDockerfile(text, { file: "Dockerfile" }),
    format: (text: string) => format(text),
    compile: compileText,
  };

  for (const { name, n, text, end, compiles } of CASES) {
    for (const [reader, read] of Object.entries(readers)) {
      if (reader === "compile" && compiles === undefined) continue;
      test(`${name}: ${reader}`, async () => {
        const [small, large] = [text(n), text(2 * n)];
        expect(Buffer.byteLength(large)).toBeLessThan(limits.dockerfileBytes);
        const once = await timed(() => read(small));
        const twice = await timed(() => read(large));
        // Four times would be quadratic; collecting garbage and a cold start are the noise.
        if (twice.ms > 3 * once.ms + 500) {
          const [again, andAgain] = [await timed(() => read(small)), await timed(() => read(large))];
          expect(andAgain.ms, `${once.ms}, ${twice.ms}, ${again.ms}`).toBeLessThan(3 * again.ms + 500);
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
