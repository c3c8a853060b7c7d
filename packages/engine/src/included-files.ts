import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { errnoCode, TsbuildError } from "@tsbuild/base";
import type { IncludedFile } from "@tsbuild/frontend";
import { readDockerfile } from "./dockerfile-source.ts";

/** Another Dockerfile, given as a named context: `NAME=dockerfile:PATH[#STAGE]` (W020). */
export interface NamedFile {
  readonly name: string;
  readonly included: IncludedFile;
  /** Its context: the folder that it lies in. */
  readonly folder: string;
}

const SCHEME = /^dockerfile:(?:\/\/)?/;

/** Reads the Dockerfile of a folder, or a file. Throws TSB_USAGE, TSB_DOCKERFILE. */
export function readNamedFile(name: string, value: string): NamedFile {
  const [, path = "", target] = /^([^#]*)(?:#(.*))?$/s.exec(value.replace(SCHEME, "")) ?? [];
  const whole = resolve(path);
  const isFolder = isFolderAt(whole, { name, path });
  const folder = isFolder ? whole : dirname(whole);
  const source = readDockerfile({ dockerfile: isFolder ? undefined : path }, folder);
  return { name, folder, included: { ...source, target: target || undefined } };
}

function isFolderAt(path: string, written: { readonly name: string; readonly path: string }): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (cause) {
    const code = errnoCode(cause);
    if (code !== "ENOENT" && code !== "ENOTDIR") throw cause;
    const message = `there is no Dockerfile at ${JSON.stringify(written.path)} for the context ${written.name}`;
    throw new TsbuildError("TSB_USAGE", message, {
      hint: "write it as NAME=dockerfile:PATH[#STAGE], PATH a file or the folder of a Dockerfile",
      cause,
    });
  }
}
