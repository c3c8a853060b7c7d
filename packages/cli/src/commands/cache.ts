import { once } from "node:events";
import { suggestion, TsbuildError } from "@tsbuild/base";
import type { Upkeep } from "@tsbuild/engine";
import type { ParsedFlags } from "../flags/parse.ts";
import { oneOf } from "../flags/values.ts";
import type { CommandIo } from "../io.ts";
import { formatBytes, plural } from "../progress/units.ts";
import { safeLine } from "../sanitize.ts";
import { columns } from "../upkeep/table.ts";
import { age } from "./images.ts";
import { readArchive } from "./read-archive.ts";

interface Asked {
  readonly upkeep: Upkeep;
  readonly mounts: Upkeep["mounts"];
  readonly operands: readonly string[];
  readonly flags: ParsedFlags;
  readonly io: CommandIo;
}

const ACTIONS: Readonly<Record<string, (asked: Asked) => Promise<void>>> = {
  ls,
  export: exportMount,
  import: importMount,
  rm: removeMounts,
};

/** `tsbuild cache mounts ls|export|import|rm` (W005). */
export async function cache(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const [subject = "mounts", word = "ls", ...operands] = flags.operands;
  if (subject !== "mounts") {
    throw new TsbuildError("TSB_USAGE", `cache knows mounts, not ${JSON.stringify(subject)}`, {
      hint: "tsbuild cache mounts ls; for steps there are tsbuild du and tsbuild prune",
    });
  }
  const action = Object.hasOwn(ACTIONS, word) ? ACTIONS[word] : undefined;
  if (action === undefined) {
    throw new TsbuildError("TSB_USAGE", `cache mounts has no action ${JSON.stringify(word)}`, {
      hint: suggestion(word, Object.keys(ACTIONS)),
    });
  }
  const engine = await io.openEngine({ root: flags.last("root"), env: io.env });
  try {
    const upkeep = await engine.upkeep();
    await action({ upkeep, mounts: upkeep.mounts, operands, flags, io });
    return 0;
  } finally {
    await engine.close();
  }
}

async function ls({ mounts, flags, io }: Asked): Promise<void> {
  const format = oneOf("--format", flags.last("format") ?? "table", ["table", "json"]);
  const found = await mounts.list();
  if (format === "json") {
    io.stdout.write(found.map((mount) => `${JSON.stringify(mount)}\n`).join(""));
    return;
  }
  const now = Date.now();
  const rows = found.map((mount) => [
    safeLine(mount.id),
    formatBytes(mount.sizeBytes),
    age(now - mount.createdAt),
    age(now - mount.lastUsedAt),
    mount.inUse ? "yes" : "no",
  ]);
  io.stdout.write(columns([["ID", "SIZE", "CREATED", "LAST USED", "IN USE"], ...rows], [1]));
}

/** One ID, and a file unless it is a standard stream. */
function idAndFile(
  { operands }: Asked,
  action: string,
): { readonly id: string; readonly file: string | undefined } {
  const [id, file, ...surplus] = operands;
  if (id === undefined || surplus.length > 0) {
    throw new TsbuildError("TSB_USAGE", `cache mounts ${action} needs an ID and at most one file`, {
      hint: `tsbuild cache mounts ${action} ID [FILE]`,
    });
  }
  return { id, file: file === "-" ? undefined : file };
}

async function exportMount(asked: Asked): Promise<void> {
  const { mounts, upkeep, io } = asked;
  const { id, file } = idAndFile(asked, "export");
  if (file === undefined && io.stdout.isTTY === true) {
    throw new TsbuildError("TSB_USAGE", "refusing to write an archive to the terminal", {
      hint: "redirect standard output, or name a file",
    });
  }
  const { inUse, tar } = mounts.export(id, io.signal);
  if (inUse) {
    io.stderr.write(
      `warning: a step uses ${safeLine(id)} now: the archive may hold files of different moments\n`,
    );
  }
  if (file === undefined) await writeTo(io.stdout, tar);
  else await upkeep.writeArchive(tar, file, io.signal);
}

async function writeTo(out: NodeJS.WritableStream, tar: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of tar) {
    if (!out.write(Buffer.from(chunk))) await once(out, "drain");
  }
}

async function importMount(asked: Asked): Promise<void> {
  const { mounts, io } = asked;
  const { id, file } = idAndFile(asked, "import");
  await mounts.import(id, await readArchive(file ?? "-", io), io.signal);
}

async function removeMounts({ mounts, operands, io }: Asked): Promise<void> {
  if (operands.length === 0) {
    throw new TsbuildError("TSB_USAGE", "cache mounts rm needs an ID", {
      hint: "tsbuild cache mounts ls lists them",
    });
  }
  for (const id of operands) {
    const { removed, busy } = mounts.remove(id);
    const left = busy > 0 ? `; ${busy} in use` : "";
    io.stdout.write(`${safeLine(id)}: ${plural(removed, "folder")} removed${left}\n`);
  }
}
