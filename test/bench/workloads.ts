import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** One measured case: how its context is made, and how a build of it is run. */
export interface Workload {
  readonly slug: string;
  readonly what: string;
  readonly make: (folder: string) => void;
  /** Flags of every timed build. */
  readonly flags: readonly string[];
  /** Changes the context before each timed build. */
  readonly touch?: ((folder: string, round: number) => void) | undefined;
  /** Each timed build has a state folder that has seen nothing but the base image. */
  readonly fresh?: boolean | undefined;
  /** What it is compared with: a walk of the context, a copy of it, or the start of Node. */
  readonly baseline?: "find" | "copy" | undefined;
  /** Work by which the time is divided: steps, for the cost of one more. */
  readonly per?: number | undefined;
}

const TIME = new Date(1_700_000_000_000);

function write(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  utimesSync(path, TIME, TIME);
}

/** Deterministic text of about `size` bytes. */
function filler(seed: number, size: number): string {
  let state = seed * 2_654_435_761 + 1;
  let text = "";
  while (text.length < size) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    text += `const v${state.toString(36)} = ${state % 1000};\n`;
  }
  return text.slice(0, size);
}

function twelveSteps(folder: string): void {
  for (let i = 0; i < 20; i++) write(join(folder, `app/f${i}.txt`), filler(i, 2000));
  const runs = Array.from({ length: 6 }, (_, i) => `RUN echo step${i} > /app/out${i}`);
  const lines = [
    "FROM busybox",
    "LABEL bench=cached",
    "ENV APP=/app",
    "WORKDIR /app",
    "COPY app/ .",
    ...runs,
    'CMD ["sh"]',
  ];
  write(join(folder, "Dockerfile"), `${lines.join("\n")}\n`);
}

function manySteps(folder: string): void {
  const runs = Array.from({ length: 200 }, (_, i) => `RUN echo step${i} > /out${i}`);
  write(join(folder, "Dockerfile"), `FROM busybox\n${runs.join("\n")}\n`);
}

const FILES = 50_000;

function manyFiles(folder: string): void {
  for (let i = 0; i < FILES; i++) {
    const pkg = `node_modules/pkg${i % 250}/dep${Math.floor(i / 250) % 4}/lib`;
    write(join(folder, pkg, `mod${i}.js`), filler(i, 64 + ((i * 7919) % 12_000)));
  }
  write(join(folder, "index.js"), "// v0\n");
  write(join(folder, "Dockerfile"), "FROM busybox\nWORKDIR /app\nCOPY . .\n");
}

function changeOne(folder: string, round: number): void {
  writeFileSync(join(folder, "index.js"), `// v${round} ${process.pid}\n`);
}

const RUN_STEPS = 30;

export const workloads: readonly Workload[] = [
  { slug: "cached-12", what: "12 steps, all cached, nothing exported", make: twelveSteps, flags: [] },
  { slug: "cached-200", what: "200 steps, all cached, nothing exported", make: manySteps, flags: [] },
  {
    slug: "run-true-30",
    what: `${RUN_STEPS}x RUN true, none cached`,
    make: (folder) => write(join(folder, "Dockerfile"), `FROM busybox\n${"RUN true\n".repeat(RUN_STEPS)}`),
    flags: ["--no-cache"],
    per: RUN_STEPS,
  },
  {
    slug: "run-true-1",
    what: "one RUN true, not cached",
    make: (folder) => write(join(folder, "Dockerfile"), "FROM busybox\nRUN true\n"),
    flags: ["--no-cache"],
  },
  {
    slug: "fan-out-16",
    what: "16 stages sleeping 0.3 s",
    make: (folder) => {
      const stages = Array.from(
        { length: 16 },
        (_, i) => `FROM busybox AS s${i}\nRUN sleep 0.3 && echo ${i} > /out`,
      );
      const copies = Array.from({ length: 16 }, (_, i) => `COPY --from=s${i} /out /out${i}`);
      write(join(folder, "Dockerfile"), [...stages, "FROM busybox", ...copies, ""].join("\n"));
    },
    flags: ["--no-cache"],
  },
  {
    slug: "context-50k",
    what: `${FILES} files copied, unchanged`,
    make: manyFiles,
    flags: [],
    baseline: "find",
  },
  {
    slug: "context-50k-first",
    what: `${FILES} files copied for the first time`,
    make: manyFiles,
    flags: [],
    fresh: true,
    baseline: "copy",
  },
  {
    slug: "context-50k-one-changed",
    what: `${FILES} files copied, one changed`,
    make: manyFiles,
    flags: [],
    touch: changeOne,
    baseline: "copy",
  },
  {
    slug: "context-50k-one-changed-image",
    what: `${FILES} files copied, one changed, as a named image`,
    make: manyFiles,
    flags: ["--tag", "bench"],
    touch: changeOne,
    baseline: "copy",
  },
];
