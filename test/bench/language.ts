/**
 * Measures the Dockerfile language in fresh processes: `node test/bench/language.ts [DOCKERFILE] [--rounds N]`. Prints
 * medians: loading the parser, the first parse and the first compile of the process (from a bundle made like that of
 * the CLI, with Node's compile cache), and a compile once everything is warm. Nothing is asserted. Without a file: a
 * generated one of about 20 KB with everything that real files have.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "esbuild";

type Times = Readonly<Record<"parserLoadMs" | "loadMs" | "coldParseMs" | "coldCompileMs" | "warmMs", number>>;

const LABELS: Readonly<Record<keyof Times, string>> = {
  parserLoadMs: "load the parser",
  loadMs: "load parser and frontend",
  coldParseMs: "first parse",
  coldCompileMs: "first compile, parsing included",
  warmMs: "warm compile, parsing included",
};

function generatedFile(): string {
  const stage = (i: number): string => `
# stage${i} builds part ${i}
FROM --platform=\${BUILDPLATFORM} debian:\${DEBIAN_VERSION%.*} AS stage${i}
ARG TARGETARCH
ARG PART_${i}_VERSION="v\${MAJOR}.${i}.0"
ENV PART=$PART_${i}_VERSION PATH="/opt/part${i}/bin:$PATH"
WORKDIR /src/part${i}
COPY --chown=1000:1000 --link go.mod "go.sum" ./
RUN --mount=type=cache,target=/root/.cache,id=part${i}-\${TARGETARCH} \\
    --mount=type=bind,source=.,target=/src/context \\
    set -eux; \\
    # a comment on the way
    make -C /src/context "part${i}" VERSION="\${PART}" && \\
    install -D out/part${i} /opt/part${i}/bin/part${i}
COPY <<EOF /etc/part${i}.conf
version=\${PART} arch=$TARGETARCH
EOF
HEALTHCHECK --interval=30s CMD ["part${i}", "health"]
LABEL org.example.part="${i}" org.example.version='$PART'
`;
  const stages = Array.from({ length: 20 }, (_, i) => stage(i)).join("");
  const copies = Array.from({ length: 20 }, (_, i) => `COPY --from=stage${i} /opt/part${i} /opt/part${i}\n`);
  return `ARG MAJOR=1\nARG DEBIAN_VERSION=12.1\n${stages}\nFROM scratch\n${copies.join("")}`;
}

async function bundleProbe(folder: string): Promise<string> {
  const outfile = join(folder, "probe.js");
  await build({
    entryPoints: [join(import.meta.dirname, "language-probe.ts")],
    outfile,
    bundle: true,
    platform: "node",
    target: "node22",
    format: "cjs",
    minify: true,
    logLevel: "warning",
    banner: { js: 'const bundleUrl=require("node:url").pathToFileURL(__filename).href;' },
    define: {
      "import.meta.url": "bundleUrl",
      "import.meta.filename": "__filename",
      "import.meta.dirname": "__dirname",
    },
  });
  return outfile;
}

function runProbe(probe: string, file: string, cache: string): Times {
  const { status, stdout, stderr } = spawnSync(process.execPath, [probe, file], {
    encoding: "utf8",
    env: { ...process.env, NODE_COMPILE_CACHE: cache },
  });
  if (status !== 0) throw new Error(`the probe failed:\n${stderr.slice(-2000)}`);
  return JSON.parse(stdout) as Times;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: "string", default: "11" } },
  });
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-language-"));
  try {
    const generated = join(folder, "Dockerfile");
    writeFileSync(generated, generatedFile());
    const probe = await bundleProbe(folder);
    const run = () => runProbe(probe, positionals[0] ?? generated, join(folder, "cache"));
    // Fills the compile cache.
    run();
    const samples = Array.from({ length: Number(values.rounds) }, run);
    for (const [key, label] of Object.entries(LABELS) as [keyof Times, string][])
      console.log(
        `${label.padEnd(34)} ${median(samples.map((sample) => sample[key]))
          .toFixed(1)
          .padStart(6)} ms`,
      );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
