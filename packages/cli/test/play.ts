/**
 * Plays a build on this terminal by a scripted stream of events: `node packages/cli/test/play.ts [ok|fail] [MODE]`.
 * For looking at the live view; tty.system.test.ts looks at it through tmux.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { sha256, TsbuildError } from "@tsbuild/base";
import { formatError } from "../src/format-error.ts";
import { startProgress } from "../src/progress/driver.ts";
import { progressMode } from "../src/progress/mode.ts";
import { type digest, vertex } from "./events.ts";
import { fakeWorld } from "./fake-io.ts";

const STEPS = 12;
const LANES = 3;
const [outcome, progress] = process.argv.slice(2);
const world = { ...fakeWorld(), stderr: process.stderr, env: process.env };
const view = await startProgress(
  progressMode({ quiet: false, progress }, process.stderr, process.env),
  world,
);
const names = Array.from({ length: STEPS }, (_, i) => `[${i + 1}/${STEPS}] RUN make target-${i}`);

async function step(index: number): Promise<void> {
  const info = vertex(names[index]!);
  const about = { vertex: info.digest };
  view.onEvent({ type: "vertex-started", at: Date.now(), vertex: info });
  if (index % 4 === 0) return view.onEvent({ type: "vertex-cached", at: Date.now(), ...about });
  for (let line = 0; line < 8; line++) {
    await sleep(100);
    const data = Buffer.from(`\x1b[31mline ${line}\x1b[0m of step ${index}\x1b[2J\t日本語\n`);
    view.onEvent({ type: "log", at: Date.now(), ...about, stream: 1, data });
    const part = { id: "sha256:0123456789abcdef", current: line * 5e6, total: 4e7, done: line === 7 };
    if (index % 3 === 0) view.onEvent({ type: "status", at: Date.now(), ...about, ...part });
  }
  if (outcome === "fail" && index === STEPS - 1) throw failure(info.digest);
  const reason = { kind: "input-content", text: "changed: src/a.ts" } as const;
  view.onEvent({
    type: "vertex-completed",
    at: Date.now(),
    ...about,
    reason: index % 2 === 1 ? reason : undefined,
  });
}

function failure(at: ReturnType<typeof digest>): TsbuildError {
  const error = new TsbuildError("TSB_EXEC", 'process "/bin/sh -c make" failed: exit code 2', {
    vertex: at,
    source: { file: "Dockerfile", text: "FROM a\nRUN make\nCMD x\n", ranges: [{ start: 2, end: 2 }] },
  });
  view.onEvent({ type: "vertex-failed", at: Date.now(), vertex: at, error, canceled: false });
  return error;
}

let next = 0;
async function lane(): Promise<void> {
  while (next < STEPS) await step(next++);
}

view.onEvent({ type: "build-started", at: Date.now(), title: "app" });
view.onEvent({ type: "graph", at: Date.now(), vertices: names.map((name) => vertex(name)) });
try {
  await Promise.all(Array.from({ length: LANES }, lane));
  view.onEvent({ type: "build-finished", at: Date.now() });
  await view.finish({ result: { imageId: sha256("x"), names: ["app:latest"] } });
} catch (error) {
  view.onEvent({ type: "build-finished", at: Date.now(), error: error as TsbuildError });
  await view.finish({ error });
  process.stderr.write(formatError(error));
}
