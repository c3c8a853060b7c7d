/** Runs its arguments in a sandbox whose root is descriptor 3: a builder of its own, that a test can kill or give a terminal. */
import { nativeFs } from "@tsbuild/native-fs";
import { createSandbox } from "@tsbuild/sandbox";
import { buildSandbox } from "../../../../native/sandbox/build.ts";
import { execSpec } from "./spec.ts";

const [streams, ...args] = process.argv.slice(2);
const spec = execSpec({
  rootFd: 3,
  args,
  stdio: streams === "terminal" ? "terminal" : streams === "input" ? "input" : "log",
});
const { exitCode } = await createSandbox({ binary: buildSandbox(), sockets: nativeFs }).run(spec, {
  stdout: (chunk) => process.stdout.write(chunk),
  stderr: (chunk) => process.stderr.write(chunk),
  signal: new AbortController().signal,
});
process.exitCode = exitCode;
