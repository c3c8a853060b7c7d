import { TsbuildError } from "@tsbuild/base";
import type { OutputRequest } from "@tsbuild/engine";
import { csvFields } from "./csv.ts";

const TYPES: readonly OutputRequest["type"][] = [
  "image",
  "registry",
  "oci",
  "docker",
  "local",
  "tar",
  "cacheonly",
];

/**
 * One `--output` (C007): `type=…,dest=…,k=v`, a bare path for a folder, `-` for a tar on standard output. An archive
 * without `dest` goes to standard output, and `docker` into an engine that runs here, as buildx has it. Throws TSB_USAGE.
 */
export function parseOutput(text: string): OutputRequest {
  const fields = csvFields(text);
  const first = fields[0] ?? "";
  if (fields.length === 1 && !first.includes("=")) return bareOutput(first);
  const attrs = attributesOf(text, fields);
  const { type: typeName, dest, target, ...rest } = attrs;
  const type = TYPES.find((candidate) => candidate === typeName);
  if (type === undefined) throw unknownType(text, typeName);
  return withDestination(text, { type, dest, ...(target === undefined ? {} : { target }), attrs: rest });
}

function bareOutput(path: string): OutputRequest {
  if (path === "")
    throw new TsbuildError("TSB_USAGE", "--output is empty", { hint: "-o type=oci,dest=FILE" });
  return path === "-" ? { type: "tar", dest: "-", attrs: {} } : { type: "local", dest: path, attrs: {} };
}

/** Several names are all meant, as in `"name=a,b"` (X010); any other option that comes twice is a slip. */
function attributesOf(text: string, fields: readonly string[]): Record<string, string> {
  const attrs = new Map<string, string>();
  for (const field of fields) {
    const [key, value] = keyValue(text, field);
    const before = attrs.get(key);
    if (before !== undefined && key !== "name")
      throw new TsbuildError("TSB_USAGE", `--output ${text}: ${key}= is there twice`, {
        hint: "keep one of them",
      });
    attrs.set(key, before === undefined ? value : `${before},${value}`);
  }
  return Object.fromEntries(attrs);
}

function keyValue(text: string, field: string): [string, string] {
  const equals = field.indexOf("=");
  if (equals > 0) return [field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1)];
  throw new TsbuildError("TSB_USAGE", `--output ${text}: ${JSON.stringify(field)} is not KEY=VALUE`, {
    hint: /\bname=/.test(text) ? "several names: name=A,name=B" : undefined,
  });
}

function unknownType(text: string, type: string | undefined): TsbuildError {
  const what = type === undefined ? "type= is missing" : `unknown type ${JSON.stringify(type)}`;
  return new TsbuildError("TSB_USAGE", `--output ${text}: ${what}`, { hint: `types: ${TYPES.join(", ")}` });
}

/** What an output without `dest` means depends on its type. */
function withDestination(text: string, output: OutputRequest): OutputRequest {
  const { type, dest } = output;
  const asFolder = output.attrs["tar"] === "false";
  if (type === "local" || asFolder) {
    if (dest !== undefined && dest !== "" && dest !== "-") return output;
    throw new TsbuildError("TSB_USAGE", `--output ${text}: dest= must name a folder`);
  }
  // buildx's: into a docker or podman that runs here.
  if (type === "docker" && dest === undefined) return output;
  const isArchive = type === "oci" || type === "docker" || type === "tar";
  return isArchive ? { ...output, dest: dest === undefined || dest === "" ? "-" : dest } : output;
}

/**
 * Standard output carries one archive, and never one on a terminal (C007), nor an archive and an image ID (`quiet`).
 */
export function checkStdout(
  outputs: readonly OutputRequest[],
  io: { readonly stdout: { readonly isTTY?: boolean } },
  quiet: boolean,
): void {
  const archives = outputs.filter((output) => output.dest === "-");
  if (archives.length === 0) return;
  if (archives.length > 1) {
    throw new TsbuildError("TSB_USAGE", "only one output can go to standard output", {
      hint: "give the others a file: dest=FILE",
    });
  }
  if (io.stdout.isTTY === true) {
    throw new TsbuildError("TSB_USAGE", "an archive is not written to a terminal", {
      hint: "redirect standard output, or name a file: dest=FILE",
    });
  }
  if (quiet) {
    throw new TsbuildError("TSB_USAGE", "--quiet prints the image ID where the archive goes", {
      hint: "write the ID to a file with --iidfile, and use --progress=none",
    });
  }
}
