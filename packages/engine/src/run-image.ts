import { type BuildEvent, hostPlatform, sha256, TsbuildError, type VertexDigest } from "@tsbuild/base";
import type { ExecMeta, ExecOp, Op } from "@tsbuild/llb";
import type { ImageConfig } from "@tsbuild/oci";
import { NO_GRANTS } from "@tsbuild/ops";
import { runThrowaway } from "@tsbuild/ops/process";
import { refForSnapshot } from "@tsbuild/store";
import type { RunRequest } from "./api.ts";
import { lookUpImage } from "./images/find.ts";
import { sendingNumbers } from "./send-signal.ts";
import type { Session } from "./session.ts";

function commandOf(request: RunRequest, config: ImageConfig): string[] {
  const { Entrypoint: own = [], Cmd = [] } = config.config ?? {};
  const entrypoint = request.entrypoint ?? own;
  // As docker run: another entrypoint drops the image's CMD.
  const command = request.args.length > 0 ? request.args : request.entrypoint === undefined ? Cmd : [];
  const args = [...(entrypoint ?? []), ...(command ?? [])];
  if (args.length === 0) {
    throw new TsbuildError("TSB_USAGE", `the image ${request.image} has no command`, {
      hint: `name one: tsbuild run ${request.image} COMMAND`,
    });
  }
  return args;
}

function environment(request: RunRequest, config: ImageConfig): string[] {
  const entries = new Map<string, string>();
  for (const entry of [...(config.config?.Env ?? []), ...request.env])
    entries.set(entry.split("=", 1)[0] ?? "", entry);
  return [...entries.values()];
}

/** The process as an exec op whose root is thrown away. */
function execOf(request: RunRequest, config: ImageConfig): Op & { readonly kind: ExecOp } {
  const meta: ExecMeta = {
    args: commandOf(request, config),
    env: environment(request, config),
    cwd: request.workdir ?? (config.config?.WorkingDir || "/"),
    user: request.user ?? config.config?.User ?? "",
    extraHosts: [],
    hostname: "tsbuild",
    ulimits: [],
    cgroupParent: "",
    removeMountStubsRecursive: true,
    validExitCodes: [],
  };
  const root = {
    input: 0,
    selector: "",
    dest: "/",
    output: -1,
    readonly: false,
    type: "bind",
    contentCache: "default",
  } as const;
  return {
    inputs: [],
    platform: { os: config.os, architecture: config.architecture, variant: config.variant || undefined },
    kind: {
      type: "exec",
      meta,
      mounts: [root],
      network: request.network,
      security: "sandbox",
      secretEnv: [],
    },
  };
}

/** What a build would say in the step's log; an interactive command has the terminal to itself. */
function toStderr({ stderr, stdio }: RunRequest): (event: BuildEvent) => void {
  return (event) => {
    if (stdio === "log" && event.type === "log") stderr?.(event.data);
  };
}

/** Runs a command of an image on a layer that is thrown away; resolves with its exit code. */
export async function runImage(session: Session, request: RunRequest): Promise<number> {
  const signal = request.signal ?? new AbortController().signal;
  const images = await session.images({ pull: false, signal });
  // As docker run: what is no image's name here may be the beginning of an ID, as `tsbuild images` prints it.
  const found = lookUpImage(session.store, request.image);
  const name = found?.by === "id" ? found.record.name : request.image;
  const image = await images.resolve(name, { platform: hostPlatform(), anyPlatform: true });
  const vertex = sha256(`run ${request.image}`) as string as VertexDigest;
  const context = { vertex, signal, ignoreCache: false, emit: toStderr(request) };
  const ref = refForSnapshot(session.store, await images.unpack(image, context));
  try {
    const env = session.environment({ images, contexts: new Map(), grants: NO_GRANTS });
    const { exitCode } = await runThrowaway(
      { env, op: execOf(request, image.config), inputs: [ref], context },
      {
        stdout: request.stdout ?? (() => undefined),
        stderr: request.stderr ?? (() => undefined),
        stdio: request.stdio,
        onStart: sendingNumbers(request.onStart),
      },
    );
    return exitCode;
  } finally {
    ref.release();
  }
}
