import { sha256Fields } from "@tsbuild/base";
import type { FileAction, FileOp, Op, Owner } from "@tsbuild/llb";
import type { CacheMap, InputCacheMap, KeyField } from "@tsbuild/solver";
import { contentKey, type Scans } from "../content/content-key.ts";
import { cleanPath } from "../content/locate.ts";
import { type Selector, selectorKey, selectorOfCopy } from "../content/selector.ts";
import type { OpsEnvironment } from "../environment.ts";

/** The content of a source path decides, not where it is: only the name that a copied file keeps is in the key (V014). */
function keyedAction(action: FileAction): unknown {
  const body = action.action;
  if (body.type !== "copy") return body;
  const name = cleanPath(body.src).split("/").pop() ?? "";
  // Include and exclude patterns are part of the content digest's selector.
  const { includePatterns: _include, excludePatterns: _exclude, ...rest } = body;
  return { ...rest, src: name };
}

function stringify(value: unknown): string {
  return JSON.stringify(value, (_key, field: unknown) => {
    if (typeof field === "bigint") return String(field);
    if (field instanceof Uint8Array) return Buffer.from(field).toString("base64");
    return field;
  });
}

/** All that an action says. */
export function actionText(action: FileAction): string {
  return stringify([action.input, action.secondaryInput, action.output, action.action]);
}

function ownersOf(action: FileAction): (Owner | undefined)[] {
  return action.action.type === "rm" ? [] : [action.action.owner];
}

/** Inputs whose passwd and group name an owner: these files are part of what the op reads. */
function namesOwner(op: FileOp, input: number): boolean {
  return op.actions
    .flatMap(ownersOf)
    .some((owner) =>
      [owner?.user, owner?.group].some((who) => who !== undefined && "name" in who && who.input === input),
    );
}

/** An archive goes into the layer as what is in it. */
function unpacks({ action }: FileAction): boolean {
  return action.type === "copy" && action.attemptUnpackDockerCompatibility;
}

function inputMap(env: OpsEnvironment, op: FileOp, input: number, scans: Scans): InputCacheMap {
  const asDestination = op.actions.some((action) => action.input === input);
  const selectors: Selector[] = op.actions.flatMap((action) =>
    action.secondaryInput === input && action.action.type === "copy" ? [selectorOfCopy(action.action)] : [],
  );
  // What is written onto must be the same snapshot, not only have the same content somewhere: definition only.
  if (asDestination || selectors.length === 0 || namesOwner(op, input)) return { selector: "" };
  const content: InputCacheMap["content"] = (ref, { willRun }) => {
    if (willRun === true && !op.actions.some(unpacks)) scans.expectCopy();
    return contentKey(env, ref, selectors, scans);
  };
  return { selector: selectorKey(selectors), content };
}

/** How a file op is cached. */
export function fileCacheMap(
  env: OpsEnvironment,
  op: Op & { readonly kind: FileOp },
  scans: Scans,
): CacheMap {
  const { actions } = op.kind;
  // In: every action with its numbers of inputs and output (testFileOpInputSwap), owner, mode, times, data of mkfile.
  const fields: KeyField[] = actions.map((action, i) => ({
    name: `action.${i}`,
    value: stringify([action.input, action.secondaryInput, action.output, keyedAction(action)]),
  }));
  return {
    digest: sha256Fields(["file-op-1", ...fields.map((field) => field.value)]),
    inputs: op.inputs.map((_, i) => inputMap(env, op.kind, i, scans)),
    fields,
  };
}
