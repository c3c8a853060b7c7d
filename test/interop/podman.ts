import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Finished, findProgram, run, runOk, type World } from "../e2e/world.ts";
import { startService } from "./service.ts";

/**
 * Ways to run a container, the first that works on this machine is taken: crun cannot work on hybrid cgroups, runc cannot
 * without them, and a container that runs these tests may have none.
 */
const RUNTIMES: readonly (readonly string[])[] = [
  [],
  ["--runtime=runc"],
  ["--cgroups=disabled"],
  ["--runtime=crun", "--cgroups=disabled"],
];

/** No healthcheck: podman runs those by systemd timers. No raised limits: a root without CAP_SYS_RESOURCE cannot. */
const COMMON = [
  "--rm",
  "--pull=never",
  "--network=host",
  "--no-healthcheck",
  "--ulimit=nofile=1024:1024",
  "--ulimit=nproc=1000:1000",
];

/** Podman with storage of its own in the world's folder. */
export class Podman {
  readonly #world: World;
  #runtime: readonly string[] | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  #args(args: readonly string[]): string[] {
    const folder = (name: string): string => this.#world.path("podman", name);
    return ["--root", folder("root"), "--runroot", folder("run"), "--tmpdir", folder("tmp"), ...args];
  }

  ok(...args: readonly string[]): Promise<Finished> {
    return runOk("podman", this.#args(args));
  }

  /** Runs a command of an image (none: its own) and returns what it printed. */
  async run(image: string, ...command: readonly string[]): Promise<string> {
    const tries = this.#runtime === undefined ? RUNTIMES : [this.#runtime];
    const failures: string[] = [];
    for (const runtime of tries) {
      const global = runtime.filter((flag) => flag.startsWith("--runtime"));
      const local = runtime.filter((flag) => !flag.startsWith("--runtime"));
      const args = this.#args([...global, "run", ...COMMON, ...local, image, ...command]);
      const { code, stdout, stderr } = await run("podman", args);
      if (code === 0) {
        this.#runtime = runtime;
        return stdout;
      }
      failures.push(`${runtime.join(" ")}: exit ${code}: ${stderr}`);
    }
    throw new Error(`podman run ${image} ${command.join(" ")}\n${failures.join("\n")}`);
  }

  /** `podman system service`: its API on a socket of the world, which docker's clients speak as well. */
  async listen(): Promise<{ readonly host: string; close(): Promise<void> }> {
    mkdirSync(this.#world.path("podman"), { recursive: true });
    const host = `unix://${this.#world.path("podman/sock")}`;
    const args = this.#args(["--log-level=info", "system", "service", "--time=0", host]);
    const service = await startService("podman", args, { ready: /API service listening/ });
    return { host, close: async () => void (await service.stop()) };
  }

  /** Podman keeps its storage mounted on itself, and a service beside it once more; the world cannot be deleted before that is undone. */
  async close(): Promise<void> {
    const mounted = join(this.#world.path("podman"), "root/overlay");
    if (!existsSync(mounted)) return;
    const undo = () => run(findProgram("umount") ?? "umount", ["--lazy", mounted]);
    while ((await undo()).code === 0);
  }
}
