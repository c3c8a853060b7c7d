import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import type { TestRegistry } from "@tsbuild/testkit";
import type { World } from "../e2e/world.ts";

/** What a soak needs besides its state folder: a registry to pull from and push to, and an image layer to serve. */
export interface SoakWorld {
  readonly world: World;
  readonly registry: TestRegistry;
  readonly layer: Buffer;
}

export interface Round {
  readonly soak: SoakWorld;
  readonly number: number;
  /** In the command line of every step and in the name of every control group. */
  readonly marker: string;
  readonly draw: () => number;
}

const MEDIA = "application/vnd.oci.image";

/** An image that nobody has pulled yet. */
function publish({ registry, layer }: SoakWorld, tag: string): string {
  const diffId = registry.blob(layer);
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      os: "linux",
      config: { Labels: { tag } },
      rootfs: { type: "layers", diff_ids: [diffId] },
    }),
  );
  const document = {
    schemaVersion: 2,
    mediaType: `${MEDIA}.manifest.v1+json`,
    config: { mediaType: `${MEDIA}.config.v1+json`, digest: registry.blob(config), size: config.length },
    layers: [{ mediaType: `${MEDIA}.layer.v1.tar`, digest: diffId, size: layer.length }],
  };
  registry.manifest("base", tag, document, document.mediaType);
  return `${registry.host}/base:${tag}`;
}

function contextOf({ soak, number, marker, draw }: Round, base: string): string {
  return soak.world.context("ctx", {
    Dockerfile: [
      `FROM --platform=linux/amd64 ${base} AS made`,
      "COPY files /files/",
      `RUN --mount=type=cache,id=soak,target=/c : ${marker}; echo ${number} >> /c/log; mkdir /d; echo ${number} > /d/n; sleep 0.1`,
      `FROM --platform=linux/amd64 ${base}`,
      "COPY --from=made /d /d",
      `RUN : ${marker}; rm -r /home && echo ${Math.floor(draw() * 3)} > /n`,
      "COPY --link files/f1 /m",
    ].join("\n"),
    "files/f1": `${number}`,
    "files/f2": randomBytes(200_000),
  });
}

/** The commands that are killed, by name; those whose name begins with `build` make everything anew that has changed. */
export function commands(round: Round): Readonly<Record<string, readonly string[]>> {
  const { soak, number, draw, marker } = round;
  const { world, registry } = soak;
  const known = contextOf(round, publish(soak, `v${number % 7}`));
  const build = ["build", "--progress=plain", "-t", "soak"];
  const out = world.path("out");
  mkdirSync(out, { recursive: true });
  const size = `${1 + Math.floor(draw() * 8)}MB`;
  const pushed = `${registry.host}/out/${number % 3}:v${number}`;
  return {
    build: [...build, known],
    "build without cache": [...build, "--no-cache", known],
    "build with limits": [...build, "--memory=300m", "--cgroup-parent", marker, known],
    "build to oci": [...build, "-o", `type=oci,dest=${out}/image.tar`, known],
    "build to docker": [...build, "-o", `type=docker,compression=zstd,dest=${out}/docker.tar`, known],
    "build to a layout": [...build, "-o", `type=oci,tar=false,dest=${out}/layout`, known],
    "build to a folder": [...build, "-o", `type=local,dest=${out}/local`, known],
    "build to a registry": ["build", "--progress=plain", "-o", `type=registry,name=${pushed}`, known],
    "build with a cache to a registry": [
      ...[...build, "--cache-to", `type=registry,ref=${registry.host}/cache:1,mode=max`],
      ...["--cache-from", `type=registry,ref=${registry.host}/cache:1`, known],
    ],
    "build with a cache to a folder": [
      ...[...build, "--cache-to", `type=local,dest=${out}/cache,mode=max,include=mounts,reset=true`],
      ...["--cache-from", `type=local,src=${out}/cache`, known],
    ],
    save: ["save", "-o", `${out}/saved.tar`, "soak"],
    prune: ["prune", "-f"],
    "prune all": ["prune", "--all", "-f"],
    "prune to a size": ["prune", "--max-used", size, "-f"],
    "mounts import": ["cache", "mounts", "import", "soak", world.path("busybox.tar")],
    "history rm": ["history", "rm", "--all"],
    "fsck repair": ["fsck", "--repair"],
  };
}
