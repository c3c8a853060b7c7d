import { posix } from "node:path";
import { type Mount, parseMount, type RunInstruction } from "@tsbuild/dockerfile";
import { mkdir, type RunMount, type RunSecret, type SecretEnv, type State, scratch } from "@tsbuild/llb";
import { mistake } from "../failure.ts";
import { cleanPath, contextPath } from "../paths.ts";
import { EMPTY_IMAGE } from "../stage-names.ts";
import type { Step } from "./step.ts";

/** The mounts of one RUN, as its op takes them. */
export interface RunMounts {
  readonly mounts: RunMount[];
  readonly secrets: RunSecret[];
  readonly ssh: RunSecret[];
  readonly secretEnv: SecretEnv[];
}

/** The mounts with their variables filled in; all of them, before anything else of the RUN is looked at. */
export function expandMounts(step: Step<RunInstruction>): Mount[] {
  const mounts = step.command.mounts.map((text) => parseMount(text, (word) => step.expand(word)));
  step.build.mounts.push(...mounts.map((mount) => ({ mount, range: step.range })));
  return mounts;
}

/** What is mounted: a stage, an image, a named context, the user's files, or nothing. */
function mountedState(step: Step<RunInstruction>, mount: Mount, index: number): State {
  if (mount.type === "tmpfs") return scratch();
  if (mount.from === "") return mount.type === "cache" ? scratch() : step.context.mainContext;
  if (mount.from === EMPTY_IMAGE) return scratch();
  const source = step.sources[index]?.result;
  if (source === undefined)
    throw mistake(
      `${JSON.stringify(mount.from)} cannot be mounted at ${mount.target}: the stage is not built yet`,
      "move the stage above the one that mounts it",
    );
  return source;
}

/** A fresh folder `/cache` of the wanted owner and mode for a cache to start from. */
function withOwnedFolder(state: State, { uid, gid, mode }: Mount): State {
  const options = { mode: (mode ?? 0o755) & 0o777, owner: { user: uid ?? 0, group: gid ?? 0 } };
  return state.file(mkdir("/cache", options), { name: "[internal] setting cache mount permissions" });
}

function targetPath(step: Step<RunInstruction>, target: string): string {
  const path = posix.isAbsolute(cleanPath(target))
    ? target
    : cleanPath(posix.join("/", step.build.workdir, target));
  if (path === "/")
    throw mistake('a mount cannot have the target "/"', "choose a folder below /, e.g. target=/mnt");
  return path;
}

/** Notes which files the mount needs of the context or stage. */
function needPath(step: Step<RunInstruction>, mount: Mount, index: number): void {
  const path = contextPath(mount.source);
  if (mount.from === "" && mount.type !== "cache") step.context.contextPaths.add(path);
  else step.sources[index]?.paths.add(path);
}

function fileMount(step: Step<RunInstruction>, mount: Mount, index: number): RunMount {
  const type = mount.type as "bind" | "cache" | "tmpfs";
  let from = mountedState(step, mount, index);
  const path = contextPath(mount.source);
  let selector = path === "/" ? undefined : path;
  const owned = mount.uid !== undefined || mount.gid !== undefined || mount.mode !== undefined;
  if (selector === undefined && owned) {
    from = withOwnedFolder(from, mount);
    selector = "/cache";
  }
  const cacheId = mount.id === "" ? cleanPath(mount.target) : mount.id;
  const dest = targetPath(step, mount.target);
  needPath(step, mount, index);
  return {
    dest,
    type,
    from,
    selector,
    readonly: mount.readonly,
    ...(type === "tmpfs" ? { sizeBytes: mount.sizeBytes } : {}),
    ...(type === "cache"
      ? { cache: { id: `${step.context.cacheNamespace}/${cacheId}`, sharing: mount.sharing ?? "shared" } }
      : {}),
  };
}

/** The default applies only when none of owner, group and mode is given. */
function fileOptions({ uid, gid, mode, required }: Mount, defaultMode: number) {
  return { uid: uid ?? 0, gid: gid ?? 0, mode: mode ?? defaultMode, optional: !required };
}

/** The name that the caller gives a secret by. */
export function secretId(mount: Mount): string {
  return mount.source || mount.id || posix.basename(mount.target);
}

/** A secret as a file, as a variable, or as both (D080). */
function addSecret(mount: Mount, out: RunMounts): void {
  const id = secretId(mount);
  if (id === "") throw mistake("a secret mount needs an id or a target", "write --mount=type=secret,id=NAME");
  if (mount.env !== undefined) out.secretEnv.push({ id, name: mount.env, optional: !mount.required });
  const fallback = mount.env === undefined ? `/run/secrets/${posix.basename(id)}` : "";
  const dest = mount.target || fallback;
  if (dest !== "") out.secrets.push({ id, dest, ...fileOptions(mount, 0o400) });
}

/** The socket of an agent (D081). */
function addSsh(mount: Mount, out: RunMounts): void {
  if (mount.source !== "") throw mistake("an ssh mount has no source", "name the agent with id=");
  const dest = mount.target || `/run/buildkit/ssh_agent.${out.ssh.length}`;
  out.ssh.push({ id: mount.id, dest, ...fileOptions(mount, 0o600) });
}

export function runMounts(step: Step<RunInstruction>, mounts: readonly Mount[]): RunMounts {
  const out: RunMounts = { mounts: [], secrets: [], ssh: [], secretEnv: [] };
  for (const [index, mount] of mounts.entries()) {
    if (mount.type === "secret") addSecret(mount, out);
    else if (mount.type === "ssh") addSsh(mount, out);
    else out.mounts.push(fileMount(step, mount, index));
  }
  return out;
}
