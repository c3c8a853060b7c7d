import type { LineRange } from "@tsbuild/base";
import { expandWord } from "@tsbuild/dockerfile";
import type { CompileRequest, ImageResolver } from "./api.ts";
import { startCompilation } from "./compile.ts";
import { type Compilation, type CompiledTarget, compileTarget } from "./compile-platform.ts";
import { type GlobalArg, globalArgs, predefinedArgs } from "./global-args.ts";
import { secretId } from "./instructions/run-mounts.ts";
import { Linter } from "./lint/linter.ts";
import type { Stage } from "./stage.ts";

export interface OutlineArg {
  readonly name: string;
  /** The value that the target gets; absent when it has none. */
  readonly value?: string | undefined;
  readonly description?: string | undefined;
  readonly range: LineRange;
}

export interface OutlineSecret {
  readonly name: string;
  readonly required: boolean;
  readonly range: LineRange;
}

export interface OutlineCache {
  readonly id: string;
  readonly range: LineRange;
}

/** What a target can be given (`--call=outline`, D162); lists in file order. */
export interface Outline {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly args: readonly OutlineArg[];
  readonly secrets: readonly OutlineSecret[];
  readonly ssh: readonly OutlineSecret[];
  readonly cache: readonly OutlineCache[];
}

/** The stage and all that it is FROM or takes files from, nearest first: the first declaration of a name counts. */
function lineage(target: Stage): Set<Stage> {
  const seen = new Set<Stage>();
  // A stack and no recursion: a file may chain any number of stages.
  const stack = [target];
  for (let stage = stack.pop(); stage !== undefined; stage = stack.pop()) {
    if (seen.has(stage)) continue;
    seen.add(stage);
    if (stage.replacement !== undefined) continue;
    const next = [...(stage.base === undefined ? [] : [stage.base]), ...stage.needs.keys()];
    for (const one of next.reverse()) stack.push(one);
  }
  return seen;
}

/** ARGs before the first FROM by name, with what their defaults use. */
function metaArgs({ program, request }: Compilation, { context }: CompiledTarget): Map<string, GlobalArg> {
  const found = new Map<string, GlobalArg>();
  const lastStage = program.stages.at(-1)?.from.stageName ?? "";
  globalArgs({
    instructions: program.metaArgs,
    predefined: predefinedArgs(context.platforms, request.target || lastStage, context.buildArgs),
    buildArgs: context.buildArgs,
    wordOptions: context.wordOptions,
    source: context.source,
    onArg: (arg) => {
      const { key } = arg.declaration;
      // A default that mentions its own name goes on using what the declaration before it used.
      const earlier = arg.uses.has(key) ? (found.get(key)?.uses ?? []) : [];
      const uses = new Set([...arg.uses, ...earlier].filter((name) => name !== key));
      found.set(key, { ...arg, uses });
    },
  });
  return found;
}

function argOf({ declaration, range, value }: Omit<GlobalArg, "uses">): OutlineArg {
  const { key: name, doc: description } = declaration;
  return {
    name,
    range,
    ...(value === undefined ? {} : { value }),
    ...(description === undefined ? {} : { description }),
  };
}

/** Collects the arguments of one stage after the other. */
class ArgCollector {
  readonly found = new Map<string, OutlineArg>();
  readonly #meta: ReadonlyMap<string, GlobalArg>;
  readonly #compilation: Compilation;
  readonly #context: CompiledTarget["context"];

  constructor(compilation: Compilation, target: CompiledTarget) {
    this.#meta = metaArgs(compilation, target);
    this.#compilation = compilation;
    this.#context = target.context;
  }

  addStage(stage: Stage): void {
    const local = new Map<string, OutlineArg>();
    const used = this.#usedByFrom(stage);
    const inherited = stage.base?.build?.args.length ?? 0;
    const values = stage.build?.args.slice(inherited) ?? [];
    for (const { command, range } of stage.commands) {
      if (command.kind !== "arg") continue;
      for (const declaration of command.args) {
        const { key } = declaration;
        used.add(key);
        const given = values.shift();
        if (this.#isOwn(declaration)) local.set(key, this.#own(declaration, range, given?.value));
      }
    }
    for (const name of this.#withDependencies(used)) {
      const arg = local.get(name) ?? this.#global(name);
      if (arg !== undefined && !this.found.has(name)) this.found.set(name, arg);
    }
  }

  /** False when the stage only takes over what is declared before the first FROM. */
  #isOwn({ key, value }: GlobalArg["declaration"]): boolean {
    const { buildArgs, globalArgs: known } = this.#context;
    return value !== undefined || buildArgs.has(key) || !known.has(key);
  }

  /** A build argument takes nothing from the declaration before the first FROM; its description is still true. */
  #own(declaration: GlobalArg["declaration"], range: LineRange, value: string | undefined): OutlineArg {
    const arg = argOf({ declaration, range, value });
    const isRepeated = declaration.value === undefined && this.#context.buildArgs.has(declaration.key);
    const doc = isRepeated ? this.#meta.get(declaration.key)?.declaration.doc : undefined;
    return arg.description === undefined && doc !== undefined ? { ...arg, description: doc } : arg;
  }

  #global(name: string): OutlineArg | undefined {
    const arg = this.#meta.get(name);
    return arg === undefined ? undefined : argOf(arg);
  }

  #usedByFrom(stage: Stage): Set<string> {
    if (stage.range === undefined || stage.implicit) return new Set();
    const written = this.#compilation.program.stages[stage.index]!.from;
    const words = [written.base, written.platform ?? ""];
    const { globalArgs: env, wordOptions } = this.#context;
    return new Set(words.flatMap((word) => [...expandWord(word, env, wordOptions).matched]));
  }

  #withDependencies(names: ReadonlySet<string>): Set<string> {
    const all = new Set(names);
    for (const name of all) for (const use of this.#meta.get(name)?.uses ?? []) all.add(use);
    return all;
  }
}

function mountsOf(stages: ReadonlySet<Stage>): Pick<Outline, "secrets" | "ssh" | "cache"> {
  const secrets = new Map<string, OutlineSecret>();
  const ssh = new Map<string, OutlineSecret>();
  const cache = new Map<string, OutlineCache>();
  const add = <T>(map: Map<string, T>, key: string, value: T) => map.has(key) || map.set(key, value);
  for (const { mount, range } of [...stages].flatMap((stage) => stage.build?.mounts ?? [])) {
    const named = (name: string): OutlineSecret => ({ name, required: mount.required, range });
    if (mount.type === "secret") add(secrets, secretId(mount), named(secretId(mount)));
    if (mount.type === "ssh") add(ssh, mount.id || "default", named(mount.id || "default"));
    const id = mount.id || mount.target;
    if (mount.type === "cache") add(cache, id, { id, range });
  }
  return { secrets: inOrder(secrets), ssh: inOrder(ssh), cache: inOrder(cache) };
}

function inOrder<T extends { readonly range: LineRange }>(items: ReadonlyMap<string, T>): T[] {
  return [...items.values()].sort((a, b) => a.range.start - b.range.start);
}

/** Lists what the target can be given. Base images are resolved, as their triggers may declare ARGs, too. */
export async function outline(request: CompileRequest, resolver: ImageResolver): Promise<Outline> {
  const { compilation, options } = startCompilation(request, resolver);
  const compiled = await compileTarget(compilation, request.platforms[0], new Linter(options));
  const stages = lineage(compiled.target);
  const args = new ArgCollector(compilation, compiled);
  for (const stage of stages) args.addStage(stage);
  const { name } = compiled.target;
  const doc = compilation.program.stages.find(({ from }) => from.range === compiled.target.range)?.from.doc;
  return {
    ...(name === undefined ? {} : { name }),
    ...(doc === undefined ? {} : { description: doc }),
    args: inOrder(args.found),
    ...mountsOf(stages),
  };
}
