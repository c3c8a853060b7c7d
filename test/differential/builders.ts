/** One case built by BuildKit and by tsbuild. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { main, run, runOk } from "../e2e/world.ts";
import { readLayout } from "../interop/layout.ts";
import { BASE, type Case } from "./case.ts";
import { type Image, readImage } from "./image.ts";

export interface Builders {
  /** Words of the client, such as `buildctl --addr unix:///run/x.sock`. */
  readonly buildctl: readonly string[];
  /** For layouts and tsbuild's state. */
  readonly scratch: string;
  /** Layout of the image that stages are FROM. */
  readonly base: string;
}

/** An image, or the last words of a build that failed. */
export type Result = Image | { readonly error: string };

const OCI = "type=oci,tar=false,compression=uncompressed";

async function build(words: readonly string[], layout: string, env: Record<string, string>): Promise<Result> {
  rmSync(layout, { recursive: true, force: true });
  mkdirSync(layout, { recursive: true });
  const [program = "", ...args] = words;
  const { code, stderr } = await run(program, args, { env });
  return code === 0 ? readImage(layout) : { error: errorOf(stderr) };
}

/** What was wrong, as either says it; all of the log when neither does. */
function errorOf(log: string): string {
  const said = log.split("\n").filter((line) => /^error: /i.test(line));
  return said.length === 0 ? log : said.join("\n");
}

function baseDigest({ base }: Builders): string {
  return readLayout(base).index.manifests[0]!.digest;
}

/**
 * By BuildKit, which must be there: it throws when the client does not start. The context before is forgotten first: BuildKit would fetch what is
 * new since then, and the folders around that would lose their times.
 */
export async function buildTheirs(builders: Builders, folder: string, { buildArgs }: Case): Promise<Result> {
  const layout = join(builders.scratch, "theirs");
  const args = Object.entries(buildArgs).flatMap(([key, text]) => ["--opt", `build-arg:${key}=${text}`]);
  const [client = "", ...options] = builders.buildctl;
  await runOk(client, [...options, "prune", "--filter", "type==source.local"]);
  const local = [`context=${folder}`, `dockerfile=${folder}`].flatMap((one) => ["--local", one]);
  const base = ["--oci-layout", `base=${builders.base}`];
  const named = ["--opt", `context:${BASE}=oci-layout://base@${baseDigest(builders)}`];
  const frontend = ["build", "--progress=plain", "--frontend=dockerfile.v0"];
  const output = ["--output", `${OCI},dest=${layout}`];
  return build(
    [...builders.buildctl, ...frontend, ...local, ...base, ...named, ...args, ...output],
    layout,
    {},
  );
}

/** By the tsbuild of this tree, or the one that $TSBUILD_TEST_PROGRAM names. */
export function buildOurs(builders: Builders, folder: string, { buildArgs }: Case): Promise<Result> {
  const layout = join(builders.scratch, "ours");
  const args = Object.entries(buildArgs).flatMap(([name, text]) => ["--build-arg", `${name}=${text}`]);
  const node = [process.execPath, "--disable-warning=ExperimentalWarning", main];
  const named = ["--build-context", `${BASE}=oci-layout://${builders.base}`];
  const words = [
    "build",
    "--progress=plain",
    "--network=host",
    ...named,
    ...args,
    "-o",
    `${OCI},dest=${layout}`,
    folder,
  ];
  return build([...node, ...words], layout, { TSBUILD_ROOT: join(builders.scratch, "state") });
}
