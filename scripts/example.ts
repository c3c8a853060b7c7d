/**
 * The main job on a bare Debian machine, without any registry: makes a base image of the C compiler that is installed here, builds
 * examples/hello-c (two stages: gcc, then nothing but the program) and shows the result.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const tsbuild = join(root, "node_modules/.bin/tsbuild");
const wanted = ["gcc", "libc6-dev", "binutils", "dash", "coreutils", "base-files"];

/** Installed packages with what they depend on, from dpkg's own records. */
function dependencies(): Map<string, string[]> {
  const format = "${Package}\\t${Provides}\\t${Pre-Depends}, ${Depends}\\n";
  const { stdout, status } = spawnSync("dpkg-query", ["-W", `-f=${format}`], {
    encoding: "utf8",
    maxBuffer: 64 << 20,
  });
  if (status !== 0)
    throw new Error("dpkg-query failed: this example takes its base image from a Debian machine");
  const graph = new Map<string, string[]>();
  const names = (list: string): string[] =>
    list
      .split(/[,|]/)
      .map((part) => part.trim().split(/[ :(]/)[0] ?? "")
      .filter((name) => name !== "");
  for (const line of stdout.split("\n")) {
    const [name = "", provides = "", depends = ""] = line.split("\t");
    if (name === "") continue;
    graph.set(name, names(depends));
    for (const virtual of names(provides)) if (!graph.has(virtual)) graph.set(virtual, [name]);
  }
  return graph;
}

function closure(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const seen = new Set<string>();
  const todo = [...wanted];
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (seen.has(name) || !graph.has(name)) continue;
    seen.add(name);
    todo.push(...(graph.get(name) ?? []));
  }
  return [...seen];
}

/** Files of the packages as they are on this machine, without documentation. */
function filesOf(packages: readonly string[]): string[] {
  const { stdout } = spawnSync("dpkg-query", ["-L", ...packages], { encoding: "utf8", maxBuffer: 64 << 20 });
  const links = ["/bin", "/sbin", "/lib", "/lib64"].filter(
    (path) => existsSync(path) && lstatSync(path).isSymbolicLink(),
  );
  const files = stdout
    .split("\n")
    .filter(
      (path) =>
        path.startsWith("/") &&
        path !== "/." &&
        !path.startsWith("/usr/share/doc") &&
        !path.startsWith("/usr/share/locale"),
    )
    .filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === false)
    // /bin is a link to /usr/bin: a file that dpkg knows as /bin/sh is packed as /usr/bin/sh.
    .map((path) => (links.some((link) => path.startsWith(`${link}/`)) ? `/usr${path}` : path));
  return [...new Set([...links, ...files, "/etc/passwd", "/etc/group", "/etc/alternatives"])];
}

function run(args: readonly string[]): void {
  console.log(`\n$ tsbuild ${args.join(" ")}`);
  const { status } = spawnSync(tsbuild, args, { stdio: "inherit", cwd: root });
  if (status !== 0) process.exit(status ?? 1);
}

async function importBase(): Promise<void> {
  console.log(
    "$ tar … | tsbuild import - debian-gcc     # the C compiler of this machine becomes a base image",
  );
  const tar = spawn("tar", ["-C", "/", "--numeric-owner", "--no-recursion", "-cf", "-", "-T", "-"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const importer = spawn(tsbuild, ["import", "-", "debian-gcc", "--change", 'CMD ["sh"]'], {
    stdio: [tar.stdout, "inherit", "inherit"],
    cwd: root,
  });
  tar.stdout.destroy();
  tar.stdin.end(
    filesOf(closure(dependencies()))
      .map((path) => path.slice(1))
      .join("\n"),
  );
  const code = await new Promise<number>((resolve) => importer.on("close", (status) => resolve(status ?? 1)));
  if (code !== 0) process.exit(code);
}

await importBase();
run(["build", "-t", "hello", "examples/hello-c"]);
run(["images"]);
run(["run", "hello", "world", readFileSync("/etc/hostname", "utf8").trim()]);
