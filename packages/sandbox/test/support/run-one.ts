/** Runs its arguments in a sandbox whose root is descriptor 3: a builder that a test can kill. */
import { createSandbox } from "@tsbuild/sandbox";
import { buildSandbox } from "../../../../native/sandbox/build.ts";
import { execSpec } from "./spec.ts";

await createSandbox({ binary: buildSandbox() }).run(execSpec({ rootFd: 3, args: process.argv.slice(2) }), {
  stdout: (chunk) => process.stdout.write(chunk),
  stderr: (chunk) => process.stderr.write(chunk),
  signal: new AbortController().signal,
});
