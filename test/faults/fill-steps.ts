import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { nativeFs } from "@tsbuild/native-fs";
import { fsckStore, openStore } from "@tsbuild/store";
import type { TestRegistry } from "@tsbuild/testkit";
import { type Finished, runOk, type World } from "../e2e/world.ts";
import { orphans } from "./orphans.ts";

/** What is run while a disk fills up. Its state folder, or the folder of its outputs, is on a small filesystem of its own. */
export interface FillWorld {
  readonly world: World;
  readonly registry: TestRegistry;
  /** Where outputs go; a filesystem of its own, too. */
  readonly out: string;
}

export interface FilledCommand {
  /** What has to be there before the disk is full: other commands, run in this order. */
  readonly before?: readonly (readonly string[])[];
  readonly args: readonly string[];
  /** Which of the two filesystems is filled. */
  readonly full: "state" | "out";
}

let attempts = 0;

/** A context that no build has seen: every attempt writes everything. */
function fresh({ world, registry }: FillWorld): string {
  const number = ++attempts;
  return world.context("fill", {
    Dockerfile: [
      "FROM busybox AS made",
      "COPY big /big",
      `RUN --mount=type=cache,id=fill,target=/c : fill-${process.pid}; echo ${number} | tee /c/n > /n; mkdir -p /d && for i in 1 2 3 4 5 6 7 8 9; do echo $i > /d/$i; done`,
      "FROM busybox",
      "COPY --from=made /d /d",
      `LABEL n=${number} registry=${registry.host}`,
    ].join("\n"),
    big: Buffer.alloc(200_000, `${number} `),
  });
}

/** By name. `fill` is the context that is new in each attempt. */
export function filledCommands(fill: FillWorld): Readonly<Record<string, () => FilledCommand>> {
  const { world, registry, out } = fill;
  const build = ["build", "--progress=plain", "--network=none"];
  const output = (spec: string) => (): FilledCommand => {
    const context = fresh(fill);
    return {
      before: [[...build, "-o", "type=cacheonly", context]],
      args: [...build, "-o", spec, context],
      full: "out",
    };
  };
  const state =
    (args: () => readonly string[], before: () => readonly (readonly string[])[] = () => []) =>
    (): FilledCommand => ({ before: before(), args: args(), full: "state" });
  return {
    build: state(() => [...build, "-t", "filled", fresh(fill)]),
    "build to oci": state(() => [
      ...build,
      "-o",
      `type=oci,dest=${world.path("elsewhere.tar")}`,
      fresh(fill),
    ]),
    "build with a cache mount to a cache": state(() => [
      ...[...build, "--cache-to", `type=local,dest=${world.path("elsewhere")},mode=max,include=mounts`],
      fresh(fill),
    ]),
    import: state(() => ["import", world.path("busybox.tar"), `imported:${++attempts}`]),
    pull: state(
      () => ["pull", `${registry.host}/filled/${attempts}`],
      () => {
        const context = fresh(fill);
        return [
          [...build, "-o", `type=registry,name=${registry.host}/filled/${attempts}`, context],
          ["prune", "--all", "-f"],
        ];
      },
    ),
    prune: state(
      () => ["prune", "--all", "-f"],
      () => [[...build, "-t", "filled", fresh(fill)]],
    ),
    "prune to a size": state(
      () => ["prune", "--max-used", "1MB", "-f"],
      () => [[...build, "-t", "filled", fresh(fill)]],
    ),
    "mounts import": state(() => ["cache", "mounts", "import", "fill", world.path("busybox.tar")]),
    "history rm": state(
      () => ["history", "rm", "--all"],
      () => [[...build, "-t", "filled", fresh(fill)]],
    ),
    tag: state(() => ["tag", "busybox", `tagged:${++attempts}`]),
    "out: oci": output(`type=oci,dest=${join(out, "x.tar")}`),
    "out: oci zstd": output(`type=oci,compression=zstd,dest=${join(out, "x.tar")}`),
    "out: layout": output(`type=oci,tar=false,dest=${join(out, "layout")}`),
    "out: docker": output(`type=docker,dest=${join(out, "x.tar")}`),
    "out: tar": output(`type=tar,dest=${join(out, "x.tar")}`),
    "out: local": output(`type=local,dest=${join(out, "local")}`),
    "out: cache": () => ({
      args: [
        ...build,
        "--cache-to",
        `type=local,dest=${join(out, "cache")},mode=max,include=mounts`,
        fresh(fill),
      ],
      full: "out",
    }),
    "out: save": () => ({ args: ["save", "-o", join(out, "x.tar"), "busybox"], full: "out" }),
    "out: mounts export": () => ({
      before: [["cache", "mounts", "import", "fill", world.path("busybox.tar")]],
      args: ["cache", "mounts", "export", "fill", join(out, "m.tar")],
      full: "out",
    }),
    "out: metadata": () => ({
      args: [...build, "--metadata-file", join(out, "m.json"), "--iidfile", join(out, "iid"), fresh(fill)],
      full: "out",
    }),
  };
}

/** Mounts a filesystem of its own over a folder. */
export async function mountSmall(folder: string, megabytes: number): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await runOk("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=700`, "tmpfs", folder]);
}

function fillUp(folder: string, freeBytes: number): string {
  const filler = join(folder, "filler");
  const { bavail, bsize } = statfsSync(folder);
  const bytes = bavail * bsize - freeBytes;
  if (bytes > 0) {
    const { status, stderr } = spawnSync("fallocate", ["-l", String(bytes), filler], { encoding: "utf8" });
    if (status !== 0) throw new Error(`fallocate: ${stderr}`);
  }
  return filler;
}

/** What every failure must be: one of ours that says that there is no room, where, and what to type. */
function judge(where: string, { code, stderr, stdout }: Finished): void {
  if (code === 0) return;
  const said = `${stderr}\n${stdout}`;
  const faults = [
    code === 1 ? "" : `exit ${code}`,
    /no space left|is full/i.test(said) ? "" : "does not say that the disk is full",
    /hint: |No space left on device/.test(said) ? "" : "does not say what to do",
    /internal error|assertion failed|\bat \S+ \(/.test(said) ? "an internal error" : "",
  ].filter((fault) => fault !== "");
  if (faults.length > 0) throw new Error(`${where}: ${faults.join(", ")}\n${said}`);
}

/** One command with so much room left. Throws at the first thing that is not as it should be; true when the command succeeded. */
export async function runFilled(
  fill: FillWorld,
  name: string,
  { freeBytes, thorough }: { readonly freeBytes: number; readonly thorough: boolean },
): Promise<boolean> {
  const { world, out } = fill;
  const where = `${name} with ${freeBytes} bytes left`;
  for (const left of readdirSync(out)) rmSync(join(out, left), { recursive: true });
  const { before = [], args, full } = filledCommands(fill)[name]!();
  for (const command of before) await world.ok(command);
  const filler = fillUp(full === "state" ? world.root : out, freeBytes);
  const finished = await world.tsbuild(args);
  judge(where, finished);
  if (full === "out" && finished.code !== 0) judgeOutput(where, out);
  rmSync(filler, { force: true });
  // What goes wrong elsewhere leaves the state folder as it is after every build.
  if (full === "state" || thorough) await expectSound(fill, where);
  return finished.code === 0;
}

/** Of an output for which there was no room nothing that could be taken for it is there. */
function judgeOutput(where: string, out: string): void {
  const files = readdirSync(out, { recursive: true, encoding: "utf8" });
  const wrong = files.filter((file) => /^(x\.tar|m\.tar|m\.json|layout\/index\.json)$|\.tmp$/.test(file));
  if (wrong.length > 0) throw new Error(`${where}: left ${wrong.join(", ")}`);
}

async function expectSound(fill: FillWorld, where: string): Promise<void> {
  const { world } = fill;
  const store = openStore({ root: world.root, native: nativeFs });
  try {
    const { problems } = await fsckStore(store, { deep: true, repair: false });
    if (problems.length > 0) throw new Error(`${where}: ${JSON.stringify(problems)}`);
  } finally {
    await store.close();
  }
  const good = await world.tsbuild([
    "build",
    "--progress=plain",
    "--network=none",
    "-t",
    "filled",
    fresh(fill),
  ]);
  if (good.code !== 0) throw new Error(`the build after ${where}: exit ${good.code}\n${good.stderr}`);
  await world.ok(["prune", "--all", "-f"]);
  const found = await orphans(world, `fill-${process.pid}`);
  if (found.length > 0) throw new Error(`${where}: left after a prune: ${found.join(", ")}`);
}
