/** `--output-on-fail`: files of the step that failed, such as reports of its tests, for those who want to know why (W023). */
import { resolve } from "node:path";
import { type BuildEvent, errnoCode, TsbuildError } from "@tsbuild/base";
import { makeFolders } from "@tsbuild/native-fs";
import { copyPath } from "@tsbuild/oci";
import { openTree } from "@tsbuild/ops/kept-step";
import type { FailureOutput } from "./api.ts";
import type { FirstFailure } from "./first-failure.ts";

/** Each is told of in the step's log, whether or not it worked: nothing of it may hide why the step failed. */
export async function saveFailureOutputs(
  { step, env }: FirstFailure,
  wanted: readonly FailureOutput[],
  options: { readonly signal: AbortSignal; readonly emit: (event: BuildEvent) => void },
): Promise<void> {
  const { signal, emit } = options;
  const tell = (text: string): void => {
    const data = new TextEncoder().encode(`tsbuild: ${text}\n`);
    emit({ type: "log", at: Date.now(), vertex: step.vertex, stream: 2, data });
  };
  const tree = await openTree(env, step.after);
  try {
    for (const output of wanted) tell(await saved(tree.root, output, signal));
  } catch (error) {
    tell(`the outputs of the failed step were not copied: ${reasonOf(error)}`);
  } finally {
    tree.close();
  }
}

/** What became of one output, for people. */
async function saved(root: number, { path, dest }: FailureOutput, signal: AbortSignal): Promise<string> {
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const folder = resolve(dest);
  try {
    makeFolders(folder);
    const result = await copyPath({ root, path, dest: folder, owner, signal });
    if (result === "copied") return `${path} of the failed step was copied to ${dest}`;
    return `the failed step left nothing at ${path} (what is in its mounts does not count)`;
  } catch (error) {
    return `${path} of the failed step was not copied to ${dest}: ${reasonOf(error)}`;
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof TsbuildError) return error.message;
  return errnoCode(error) ?? String(error);
}
