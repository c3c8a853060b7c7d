import { cpSync, existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { findProgram, runOk, type World } from "../e2e/world.ts";
import { writeLayout } from "./layout.ts";

/** libstdc++ and libatomic are what Node needs beside libc. */
const INCLUDED = "ca-certificates,libstdc++6,libatomic1";

/**
 * Debian's smallest system with working apt sources, as an OCI layout folder with the image `latest`. mmdebstrap takes the
 * machine's own mirrors; about 15 seconds.
 */
export async function debianLayout(world: World): Promise<string> {
  const rootfs = world.path("debian");
  await runOk("mmdebstrap", ["--quiet", "--variant=minbase", `--include=${INCLUDED}`, "bookworm", rootfs]);
  const tar = world.path("debian.tar");
  await runOk("tar", ["-C", rootfs, "--numeric-owner", "--one-file-system", "-cf", tar, "."]);
  const layout = world.path("debian-layout");
  await writeLayout(layout, [tar], { Cmd: ["bash"] });
  return layout;
}

/** Folder of an npm that is complete in itself (Debian's own is spread over many packages); undefined: none here. */
export function npmFolder(): string | undefined {
  const program = findProgram("npm");
  if (program === undefined) return undefined;
  const folder = dirname(dirname(realpathSync(program)));
  return existsSync(join(folder, "node_modules/@npmcli")) ? folder : undefined;
}

/** Context that puts the Node that runs these tests and this machine's npm on top of Debian. */
export function nodeContext(world: World, npm: string): string {
  const folder = world.context("node", {
    Dockerfile: [
      "FROM debian:bookworm-slim",
      "COPY bin/node /usr/local/bin/node",
      "COPY npm /usr/local/lib/node_modules/npm",
      "RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && npm --version",
    ].join("\n"),
  });
  cpSync(process.execPath, join(folder, "bin/node"));
  cpSync(npm, join(folder, "npm"), { recursive: true, verbatimSymlinks: true });
  return folder;
}
