/** Files of packages that are installed on this Debian machine, with all that they depend on: material for a base image. */
import { spawnSync } from "node:child_process";
import { lstatSync } from "node:fs";

function dpkgQuery(args: readonly string[]): string {
  const { stdout, status } = spawnSync("dpkg-query", args, { encoding: "utf8", maxBuffer: 64 << 20 });
  if (status !== 0) {
    throw new Error(
      `dpkg-query ${args.join(" ")} failed: the base image is made from a Debian machine's packages`,
    );
  }
  return stdout;
}

interface Package {
  readonly depends: readonly string[];
  readonly provides: readonly string[];
}

/** Installed packages by name, from dpkg's own records. */
function installed(): Map<string, Package> {
  const names = (list: string): string[] =>
    list
      .split(/[,|]/)
      .map((part) => part.trim().split(/[ :(]/)[0] ?? "")
      .filter((name) => name !== "");
  const format = "${Package}\\t${Provides}\\t${Pre-Depends}, ${Depends}\\t${db:Status-Status}\\n";
  const lines = dpkgQuery(["-W", `-f=${format}`])
    .split("\n")
    .map((line) => line.split("\t"));
  return new Map(
    lines
      .filter(([, , , status]) => status === "installed")
      .map(([name = "", provides = "", depends = ""]) => [
        name,
        { depends: names(depends), provides: names(provides) },
      ]),
  );
}

/** The packages and what they depend on, as far as it is installed. Of alternatives, all that are. */
function closure(wanted: readonly string[]): string[] {
  const packages = installed();
  const missing = wanted.filter((name) => !packages.has(name));
  if (missing.length > 0) throw new Error(`not installed here: apt-get install ${missing.join(" ")}`);
  const providers = new Map<string, string[]>();
  for (const [name, { provides }] of packages)
    for (const virtual of provides) providers.set(virtual, [...(providers.get(virtual) ?? []), name]);
  const seen = new Set<string>();
  const todo = [...wanted];
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    const found = packages.get(name);
    if (found === undefined) todo.push(...(providers.get(name) ?? []).filter((other) => !seen.has(other)));
    else if (!seen.has(name)) {
      seen.add(name);
      todo.push(...found.depends);
    }
  }
  return [...seen];
}

const DOCUMENTATION = ["/usr/share/doc/", "/usr/share/man/", "/usr/share/info/", "/usr/share/locale/"];

/** Absolute paths, parents first, of all that the packages own as it is on this machine, without documentation. */
export function debianPaths(packages: readonly string[]): string[] {
  const links = ["/bin", "/sbin", "/lib", "/lib64"].filter((path) => isThere(path) && isLink(path));
  const owned = dpkgQuery(["-L", ...closure(packages)])
    .split("\n")
    .filter((path) => path.startsWith("/") && path !== "/.")
    .filter((path) => !DOCUMENTATION.some((folder) => path.startsWith(folder)))
    // /bin is a link to /usr/bin: a file that dpkg knows as /bin/sh is packed as /usr/bin/sh.
    .map((path) => (links.some((link) => path.startsWith(`${link}/`)) ? `/usr${path}` : path))
    .filter(isThere);
  return [...new Set([...links, ...owned, "/etc/passwd", "/etc/group", "/etc/alternatives"])].sort();
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function isLink(path: string): boolean {
  return lstatSync(path).isSymbolicLink();
}
