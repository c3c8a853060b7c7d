import { execFileSync } from "node:child_process";
import { createCipheriv, createHash } from "node:crypto";
import { createWriteStream, existsSync, mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseManifest } from "@tsbuild/oci";
import { runOk, type World } from "../e2e/world.ts";

const TIME = new Date(1_700_000_000_000);

/** A key stream: the same for the same seed, and nothing makes it smaller. (A hash per 32 bytes took a minute for the gibibyte.) */
function noise(seed: string, sizeBytes: number): Buffer {
  const key = createHash("sha256").update(seed).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));
}

const WORDS = Array.from({ length: 4096 }, (_, i) => {
  const letters = createHash("sha256")
    .update(`word ${i}`)
    .digest("base64")
    .replace(/[^a-z]/g, "");
  return `${letters.slice(0, 3 + (i % 9))}${i % 7 === 0 ? " = " : i % 5 === 0 ? ";\n" : " "}`;
});

/** Words like those of a source text, and an eighth of noise: gzip makes about half of it. */
function filler(seed: string, sizeBytes: number): Buffer {
  const random = noise(seed, sizeBytes / 2 + 64);
  let text = "";
  for (let at = 0; text.length < (sizeBytes * 7) / 8; at += 2)
    text += WORDS[random.readUInt16LE(at % (random.length - 1)) % WORDS.length];
  return Buffer.concat([Buffer.from(text), random]).subarray(0, sizeBytes);
}

const MIB = 1024 * 1024;

/** Makes it once. */
export async function fillerFile(path: string, sizeBytes: number): Promise<void> {
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  const blocks = function* (): Generator<Buffer> {
    for (let at = 0; at < sizeBytes; at += MIB) yield filler(`${at}`, Math.min(MIB, sizeBytes - at));
  };
  await pipeline(Readable.from(blocks()), createWriteStream(path));
  utimesSync(path, TIME, TIME);
}

/** A context whose RUN unpacks `seed.tar` (200 files of 20 kB) so many times. Returns the script that it runs, for others to run. */
export function folderOfFiles(folder: string, times: number): string {
  const seed = join(folder, "seed");
  mkdirSync(seed, { recursive: true });
  for (let i = 0; i < 200; i++) writeFileSync(join(seed, `f${i}`), filler(`seed ${i}`, 20_000));
  execFileSync("tar", ["-cf", join(folder, "seed.tar"), "-C", seed, "."]);
  const script = join(folder, "mk.sh");
  const lines = ["set -e", "n=0", `while [ $n -lt ${times} ]; do`];
  lines.push('  mkdir -p "$D/d$n"; tar -xf "$SEED" -C "$D/d$n"; n=$((n+1))', "done", "");
  writeFileSync(script, lines.join("\n"));
  writeFileSync(
    join(folder, "Dockerfile"),
    "FROM busybox\nCOPY seed.tar mk.sh /\nRUN D=/data SEED=/seed.tar sh /mk.sh\n",
  );
  return script;
}

/** A context of six folders of 100 MB: 10,000 files of 10 kB, and ten of 10 MB, in turn; each becomes a layer. */
export function six(folder: string, scale: number): string {
  const text = filler("six", 10_000_000);
  for (let layer = 0; layer < 6; layer++) {
    const count = layer % 2 === 0 ? Math.round(10_000 * scale) : 10;
    const sizeBytes = layer % 2 === 0 ? 10_000 : Math.round(10_000_000 * scale);
    for (let i = 0; i < count; i++) {
      const path = join(folder, `l${layer}/d${i % 100}/f${i}`);
      mkdirSync(dirname(path), { recursive: true });
      // A piece of the same text, and a few bytes of its own.
      const from = (i * 977) % (text.length - sizeBytes + 1);
      writeFileSync(
        path,
        Buffer.concat([Buffer.from(`${layer} ${i}\n`), text.subarray(from, from + sizeBytes)]),
      );
    }
  }
  const copies = Array.from({ length: 6 }, (_, layer) => `COPY l${layer} /l${layer}\n`);
  writeFileSync(join(folder, "Dockerfile"), `FROM scratch\n${copies.join("")}`);
  return folder;
}

/** Builds a context, and pushes it with gzip. */
export async function push(
  launcher: string,
  { world, name, folder }: { readonly world: World; readonly name: string; readonly folder: string },
): Promise<void> {
  const env = { ...world.env, TSBUILD_ROOT: world.path("pushed-root") };
  await runOk(launcher, ["build", "--quiet", "--push", "-t", name, folder], { env });
}

/** Where docker-registry keeps the layers of an image, bottom first. */
export function blobFiles(storage: string, manifest: Uint8Array): string[] {
  return parseManifest(manifest).layers.map(({ digest }) => {
    const hex = digest.slice("sha256:".length);
    return join(storage, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data");
  });
}
