import { computeDigestsBy, TsbuildError } from "@tsbuild/base";
import { nativeFs } from "@tsbuild/native-fs";
import { defaultRoot, openStore } from "@tsbuild/store";
import type { Engine, EngineOptions } from "./api.ts";
import { runBuild } from "./build.ts";
import { completeRequest } from "./complete-request.ts";
import { listImages } from "./images/list.ts";
import { chooseIsolation } from "./isolation.ts";
import { nativePath } from "./native-path.ts";
import { Session } from "./session.ts";
import { readSettings } from "./settings.ts";
import { userNamespaceReport } from "./user-namespace.ts";

/** Opens the state folder; several engines, also in other processes, may share one. Throws TSB_STORE, TSB_USAGE. */
export async function openEngine(options: EngineOptions = {}): Promise<Engine> {
  computeDigestsBy(nativeFs.sha256);
  const env = options.env ?? process.env;
  const root = options.root ?? defaultRoot(env, userNamespaceReport(env)?.uid ?? process.getuid?.() ?? 0);
  const { insecureHosts, ...read } = readSettings(env);
  const settings = {
    ...read,
    insecureHosts: [...insecureHosts, ...(options.insecureRegistries ?? [])],
    ociRuntime: options.ociRuntime ?? env["TSBUILD_OCI_RUNTIME"],
    apparmorProfile: options.apparmorProfile ?? (env["TSBUILD_APPARMOR_PROFILE"] || undefined),
  };
  const isolation = chooseIsolation({ given: options.isolation, env, ociRuntime: settings.ociRuntime });
  const chroot = isolation === "chroot";
  const snapshotter = chroot ? "copy" : snapshotterOf(options, env);
  const session = new Session({
    store: openStore({
      root,
      native: nativeFs,
      snapshotter,
      plainRoots: chroot,
      settleProgram: () => nativePath("tsbuild-settle"),
      processEnds: options.processEnds,
    }),
    settings,
    env,
    isolation,
  });
  const never = new AbortController().signal;
  return {
    build: (request, { signal = never, onEvent = () => undefined } = {}) =>
      runBuild({ session, request: completeRequest(request), env, signal, emit: onEvent }),
    verify: async (request, { signal = never, ...options }) =>
      (await import("./verify/verify.ts")).verifyBuild(session, completeRequest(request), {
        ...options,
        env,
        signal,
      }),
    inspect: async (request, { signal = never } = {}) =>
      (await import("./inspect.ts")).inspect({ session, request: completeRequest(request), env, signal }),
    importImage: async (request) => (await import("./import-image.ts")).importImage(session, request),
    images: () => listImages(session.store),
    localImages: async () => (await import("./images/local.ts")).localImages(session),
    history: async () => (await import("./history/read.ts")).buildHistory(session.store),
    upkeep: async () => (await import("./upkeep/upkeep.ts")).upkeep(session),
    run: async (request) => (await import("./run-image.ts")).runImage(session, request),
    shell: async (request) => (await import("./failed-step.ts")).shellInRemembered(session, request, env),
    close: () => session.close(),
  };
}

function snapshotterOf({ snapshotter }: EngineOptions, env: NonNullable<EngineOptions["env"]>) {
  const given = snapshotter ?? (env["TSBUILD_SNAPSHOTTER"] || "auto");
  const kinds = ["auto", "overlay", "copy"] as const;
  const kind = kinds.find((one) => one === given);
  if (kind !== undefined) return kind;
  throw new TsbuildError("TSB_USAGE", `unknown snapshotter ${JSON.stringify(given)}`, {
    hint: `--snapshotter and TSBUILD_SNAPSHOTTER take ${kinds.join(", ")}`,
  });
}
