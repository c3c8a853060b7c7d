/**
 * The main job on a bare Debian machine, without any registry: makes a base image of programs that are installed here, builds
 * an example on it and shows the result. `pnpm example [hello-c | node-app]`.
 */
import { spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { debianPaths } from "./debian-tree.ts";

const root = join(import.meta.dirname, "..");
const tsbuild = join(root, "node_modules/.bin/tsbuild");
const shell = ["dash", "coreutils", "base-files", "base-passwd"];

function run(...args: readonly string[]): void {
  console.log(`\n$ tsbuild ${args.join(" ")}`);
  const { status } = spawnSync(tsbuild, args, { stdio: "inherit", cwd: root });
  if (status !== 0) process.exit(status ?? 1);
}

/** Files of this machine that get another place in the image. */
interface Moved {
  readonly from: string;
  readonly to: string;
}

/** Packs packages and moved files into a base image. */
async function importBase(
  name: string,
  packages: readonly string[],
  moved: readonly Moved[] = [],
): Promise<void> {
  console.log(`$ tar … | tsbuild import - ${name}     # a base image of what is installed here`);
  const paths = [...debianPaths(packages), ...moved.flatMap(({ from }) => below(from))];
  const transforms = moved.map(({ from, to }) => `--transform=s|^${from.slice(1)}|${to.slice(1)}|S`);
  const flags = ["-C", "/", "--numeric-owner", "--no-recursion", ...transforms, "-cf", "-", "-T", "-"];
  const tar = spawn("tar", flags, { stdio: ["pipe", "pipe", "inherit"] });
  const importer = spawn(tsbuild, ["import", "-", name, "--change", 'CMD ["sh"]'], {
    stdio: [tar.stdout, "inherit", "inherit"],
    cwd: root,
  });
  tar.stdout.destroy();
  tar.stdin.end(paths.map((path) => path.slice(1)).join("\n"));
  const codes = await Promise.all(
    [tar, importer].map((child) => new Promise<number | null>((resolve) => child.on("close", resolve))),
  );
  if (codes.some((code) => code !== 0)) process.exit(1);
}

function below(path: string): string[] {
  if (!lstatSync(path).isDirectory()) return [path];
  return [path, ...readdirSync(path, { recursive: true, encoding: "utf8" }).map((name) => join(path, name))];
}

async function helloC(): Promise<void> {
  await importBase("debian-gcc", [...shell, "gcc", "libc6-dev", "binutils"]);
  run("build", "-t", "hello", "examples/hello-c");
  run("images");
  run("run", "hello", "world", hostname());
}

/** Where npm is: `bin/npm` is a link to ../lib/node_modules/npm/bin/npm-cli.js. */
function npmPrefix(): string {
  const prefix = (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => dirname(folder))
    .find(
      (folder) => existsSync(join(folder, "lib/node_modules/npm")) && existsSync(join(folder, "bin/npm")),
    );
  if (prefix === undefined) throw new Error("no npm on PATH");
  return prefix;
}

async function nodeApp(): Promise<void> {
  const prefix = npmPrefix();
  await importBase(
    "debian-node",
    [...shell, "libstdc++6", "libatomic1"],
    [
      { from: realpathSync(process.execPath), to: "/usr/local/bin/node" },
      { from: join(prefix, "bin/npm"), to: "/usr/local/bin/npm" },
      { from: join(prefix, "lib/node_modules/npm"), to: "/usr/local/lib/node_modules/npm" },
    ],
  );
  const folder = mkdtempSync(join(tmpdir(), "node-app-"));
  try {
    cpSync(join(root, "examples/node-app"), folder, { recursive: true });
    run("build", "-t", "node-app", folder);
    console.log("\n$ echo '// changed' >> src/main.js     # only what depends on it is built again");
    appendFileSync(join(folder, "src/main.js"), "// changed\n");
    run("build", "-t", "node-app", folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  await serve("node-app", "http://127.0.0.1:8080/?name=you");
}

/** Runs a server until it has answered once. */
async function serve(image: string, url: string): Promise<void> {
  const args = ["run", "-e", "HOST=127.0.0.1", image];
  console.log(`\n$ tsbuild ${args.join(" ")} &`);
  const server = spawn(tsbuild, args, { stdio: "inherit", cwd: root });
  const ended = new Promise((resolve) => server.on("close", resolve));
  try {
    const text = await firstAnswer(url);
    console.log(`$ curl '${url}'\n${text}`);
  } finally {
    server.kill("SIGTERM");
    await ended;
  }
}

async function firstAnswer(url: string): Promise<string> {
  for (let tries = 1; ; tries++) {
    try {
      return await (await fetch(url)).text();
    } catch (error) {
      if (tries === 50) throw error;
      await sleep(100);
    }
  }
}

const examples: Readonly<Record<string, () => Promise<void>>> = { "hello-c": helloC, "node-app": nodeApp };
const name = process.argv[2] ?? "hello-c";
const example = examples[name];
if (example === undefined) {
  console.error(`no example ${JSON.stringify(name)}: there are ${Object.keys(examples).join(" and ")}`);
  process.exit(2);
}
await example();
