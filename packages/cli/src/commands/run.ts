import { TsbuildError } from "@tsbuild/base";
import type { RunRequest } from "@tsbuild/engine";
import { exitStatus } from "../exit-status.ts";
import type { ParsedFlags } from "../flags/parse.ts";
import { keyAndValue, oneOf } from "../flags/values.ts";
import type { CommandIo } from "../io.ts";
import { engineOptions } from "./engine-options.ts";

/** `tsbuild run IMAGE [ARG…]`: ends with the command's own exit code. */
export async function run(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const request = runRequest(flags, io);
  const engine = await io.openEngine(engineOptions(flags, io));
  try {
    return await engine.run(request);
  } catch (error) {
    // Whoever interrupted the command knows it: the exit status says the rest, as with any program.
    if (io.signal.aborted && error instanceof TsbuildError && error.code === "TSB_CANCELED")
      return exitStatus(error);
    throw error;
  } finally {
    await engine.close();
  }
}

export function runRequest(flags: ParsedFlags, io: CommandIo): RunRequest {
  const [image, ...args] = flags.operands;
  if (image === undefined) {
    throw new TsbuildError("TSB_USAGE", "run needs an image", {
      hint: "tsbuild run -it debian:bookworm bash",
    });
  }
  const entrypoint = flags.last("entrypoint");
  if (flags.isOn("tty")) refuseTty(io);
  return {
    image,
    args,
    // As in Docker, --entrypoint "" drops the image's own.
    entrypoint: entrypoint === undefined ? undefined : entrypoint === "" ? [] : [entrypoint],
    env: flags.all("env").flatMap((text) => environmentEntry(text, io)),
    user: flags.last("user"),
    workdir: flags.last("workdir"),
    stdio: flags.isOn("tty") ? "terminal" : flags.isOn("interactive") ? "input" : "log",
    network: oneOf("--network", flags.last("network") ?? "default", ["default", "none", "host"]),
    signal: io.signal,
    onStart: (send) => io.forwardSignals(send),
    ...passedOn(io),
  };
}

function refuseTty(io: CommandIo): void {
  if (io.stdin.isTTY === true) return;
  throw new TsbuildError("TSB_USAGE", "-t needs a terminal: standard input is none", {
    hint: "leave -t out: tsbuild run -i IMAGE COMMAND passes standard input on",
  });
}

function passedOn(io: CommandIo): Pick<RunRequest, "stdout" | "stderr"> {
  return {
    stdout: (chunk) => void io.stdout.write(chunk),
    stderr: (chunk) => void io.stderr.write(chunk),
  };
}

/** `K=V`, or `K` from this environment; a name that is not set there is left out. */
function environmentEntry(text: string, io: CommandIo): string[] {
  const [key, value] = keyAndValue("--env", text);
  const found = value ?? io.env[key];
  return found === undefined ? [] : [`${key}=${found}`];
}
