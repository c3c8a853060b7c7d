import { createReadStream, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { pipeline } from "node:stream/promises";
import { findProgram, run, runOk, type World } from "../e2e/world.ts";
import { startService } from "./service.ts";

interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

/** A dockerd of this world alone, asked over its socket: no docker command is needed. */
export interface DockerDaemon {
  /** Where it listens, for a docker command: `unix:///…`. */
  readonly host: string;
  /** `docker load`: the daemon's answer, which names the image. */
  load(tar: string): Promise<string>;
  /** `docker save -o TAR IMAGE`. */
  save(image: string, tar: string): Promise<void>;
  /** `docker image inspect`. */
  inspect(image: string): Promise<Record<string, unknown>>;
  /** `docker run --network host IMAGE COMMAND`: standard output and standard error as one; rejects unless it succeeds. */
  run(image: string, ...command: readonly string[]): Promise<string>;
  /** `docker import`: an image of a root filesystem. */
  import(tar: string, name: string): Promise<void>;
  /** `docker build` by the daemon's own, first builder. */
  build(folder: string, name: string, options: BuildOptions): Promise<void>;
  /** Unpacks the files of an image, without what a container adds, into an empty folder. */
  export(image: string, folder: string): Promise<void>;
  close(): Promise<void>;
}

export interface BuildOptions {
  readonly args: Readonly<Record<string, string>>;
  readonly target?: string | undefined;
}

/** Starts dockerd without networks. Rejects with its log where it cannot work (no cgroups, no overlay). */
export async function startDockerDaemon(world: World): Promise<DockerDaemon> {
  const folder = (name: string): string => world.path("docker", name);
  const socket = folder("sock");
  mkdirSync(world.path("docker"), { recursive: true });
  // Not the settings of this machine's own daemon.
  writeFileSync(folder("config.json"), "{}");
  const service = await startService(
    findProgram("dockerd") ?? "dockerd",
    [
      ...["--bridge=none", "--iptables=false", "--ip6tables=false", `--host=unix://${socket}`],
      ...[`--data-root=${folder("data")}`, `--exec-root=${folder("exec")}`, `--pidfile=${folder("pid")}`],
      `--config-file=${folder("config.json")}`,
    ],
    { ready: /API listen on/ },
  );
  const api = new DockerApi(socket);
  return {
    host: `unix://${socket}`,
    load: (tar) => api.load(tar),
    save: async (image, tar) => writeFileSync(tar, await api.call("GET", `/images/${image}/get`)),
    inspect: async (image) =>
      JSON.parse((await api.call("GET", `/images/${image}/json`)).toString()) as Record<string, unknown>,
    run: (image, ...command) => api.run(image, command),
    import: async (tar, name) => {
      await api.call("POST", `/images/create?fromSrc=-&repo=${name}`, { file: tar });
    },
    build: (folder, name, options) => api.build(folder, name, options),
    export: (image, folder) => api.export(image, folder),
    close: async () => {
      await service.stop();
      // The daemon leaves its network namespace mounted.
      await run("umount", ["--lazy", folder("exec/netns/default")]);
      rmSync(world.path("docker"), { recursive: true, force: true });
    },
  };
}

/**
 * The daemon's own slips, seen now and then on a busy machine: its unpacker does not find the mounted folder that it is to change into, or a
 * container starts before its root is mounted. They say nothing about the Dockerfile, all of whose bases have a shell, and the same build works the next time.
 */
const SLIP =
  /Error after fallback to chroot: no such file|exec: \W*"\/bin\/sh\W*": stat \/bin\/sh: no such file/;

class DockerApi {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** Sends a JSON body or streams a file; rejects unless the answer is a success. */
  async call(method: string, path: string, body?: { json: unknown } | { file: string }): Promise<Buffer> {
    const type = body !== undefined && "file" in body ? "application/x-tar" : "application/json";
    const outgoing = request({ socketPath: this.#socket, method, path, headers: { "content-type": type } });
    const answer = new Promise<Answer>((resolve, reject) => {
      outgoing.on("error", reject);
      outgoing.on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
      });
    });
    if (body !== undefined && "file" in body) await pipeline(createReadStream(body.file), outgoing);
    else outgoing.end(body === undefined ? undefined : JSON.stringify(body.json));
    const { status, body: text } = await answer;
    if (status >= 400) throw new Error(`docker ${method} ${path}: ${status} ${text.toString()}`);
    return text;
  }

  async load(tar: string): Promise<string> {
    return (await this.call("POST", "/images/load?quiet=1", { file: tar })).toString();
  }

  async run(image: string, command: readonly string[]): Promise<string> {
    const create = {
      Image: image,
      ...(command.length === 0 ? {} : { Cmd: command }),
      // A terminal: the log is then plain bytes without a frame for each write.
      Tty: true,
      HostConfig: { NetworkMode: "host" },
    };
    const { Id } = JSON.parse(
      (await this.call("POST", "/containers/create", { json: create })).toString(),
    ) as {
      Id: string;
    };
    await this.call("POST", `/containers/${Id}/start`);
    const end = (await this.call("POST", `/containers/${Id}/wait`)).toString();
    const log = await this.call("GET", `/containers/${Id}/logs?stdout=1&stderr=1`);
    await this.call("DELETE", `/containers/${Id}?force=1`);
    if (!/"StatusCode":0\b/.test(end)) throw new Error(`docker run ${image}: ${end}${log.toString()}`);
    return log.toString().replaceAll("\r\n", "\n");
  }

  async build(folder: string, name: string, { args, target }: BuildOptions): Promise<void> {
    const query = new URLSearchParams({ t: name, networkmode: "none", buildargs: JSON.stringify(args) });
    if (target !== undefined) query.set("target", target);
    const context = `${folder}.context.tar`;
    // The ignore file is the docker command's business; nothing looks at it here.
    await runOk("tar", ["-C", folder, "--numeric-owner", "--owner=0", "--group=0", "-cf", context, "."]);
    for (let attempt = 1; ; attempt++) {
      const log = (await this.call("POST", `/build?${query}`, { file: context })).toString();
      if (!log.includes('"errorDetail"')) return;
      if (!SLIP.test(log) || attempt === 3) throw new Error(`docker build ${name}: ${log}`);
    }
  }

  async export(image: string, folder: string): Promise<void> {
    // A command of its own: an image without one makes no container.
    const answer = await this.call("POST", "/containers/create", { json: { Image: image, Cmd: ["true"] } });
    const { Id } = JSON.parse(answer.toString()) as { Id: string };
    const tar = await this.call("GET", `/containers/${Id}/export`);
    await this.call("DELETE", `/containers/${Id}?force=1&v=1`);
    const added = [
      ".dockerenv",
      "dev",
      "proc",
      "sys",
      "etc/hosts",
      "etc/hostname",
      "etc/resolv.conf",
      "etc/mtab",
    ];
    const flags = ["--numeric-owner", ...added.map((path) => `--exclude=${path}`)];
    await runOk("tar", ["-C", folder, "--anchored", ...flags, "-xf", "-"], { input: tar });
  }
}
