import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Folder with Node's headers: beside the Node that runs this. */
function nodeHeaders(): string {
  const folder = join(dirname(realpathSync(process.execPath)), "../include/node");
  const version = join(folder, "node_version.h");
  const major = Number(process.versions.node.split(".")[0]);
  const matches =
    existsSync(version) && new RegExp(`NODE_MAJOR_VERSION ${major}\\b`).test(readFileSync(version, "utf8"));
  if (!matches) {
    throw new Error(
      `no headers of Node ${process.version} in ${folder}: run this with the workspace's own Node`,
    );
  }
  return folder;
}

/** Where zlib-sync and its only dependency are installed. */
function packageFolders(): { readonly zlibSync: string; readonly nan: string } {
  const manifest = createRequire(import.meta.url).resolve("zlib-sync/package.json");
  const nan = createRequire(realpathSync(manifest)).resolve("nan/package.json");
  return { zlibSync: realpathSync(dirname(manifest)), nan: realpathSync(dirname(nan)) };
}

function readStamp(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

/**
 * Compiles the zlib-sync addon for the Node that runs this, and returns the path of `zlib_sync.node`. Does nothing when that is done
 * already (under a millisecond); otherwise takes about two seconds and needs only `c++`: no network, no node-gyp, no Python.
 *
 * The package's own copy of zlib is left out on purpose: Node exports the symbols of its zlib to addons, and that one uses SIMD
 * (measured: 545 MB/s inflated).
 */
export async function buildZlibSync(options: { readonly force?: boolean } = {}): Promise<string> {
  const { zlibSync, nan } = packageFolders();
  const output = join(zlibSync, "build/Release/zlib_sync.node");
  const stampPath = join(zlibSync, "build/Release/zlib_sync.stamp");
  const { version } = JSON.parse(readFileSync(join(zlibSync, "package.json"), "utf8")) as { version: string };
  const stamp = `zlib-sync ${version} for Node ABI ${process.versions.modules} ${process.arch}\n`;
  if (options.force !== true && existsSync(output) && readStamp(stampPath) === stamp) return output;

  mkdirSync(dirname(output), { recursive: true });
  // Under a name of its own until whole: two builds at once must not see each other's half.
  const temporary = `${output}.${process.pid}`;
  await run(process.env["CXX"] ?? "c++", [
    ...["-std=c++20", "-O3", "-fPIC", "-shared", "-w", "-fno-exceptions", "-fno-rtti"],
    ...["-DNODE_GYP_MODULE_NAME=zlib_sync", "-DBUILDING_NODE_EXTENSION"],
    ...[`-I${nodeHeaders()}`, `-I${nan}`, "-o", temporary, join(zlibSync, "src/zlib_sync.cc")],
  ]);
  renameSync(temporary, output);
  writeFileSync(stampPath, stamp);
  return output;
}
