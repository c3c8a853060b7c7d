import { type LineRange, limits, type Platform } from "@tsbuild/base";
import {
  type Command,
  type ExpandedWord,
  expandWord,
  type Mount,
  type WordOptions,
} from "@tsbuild/dockerfile";
import type { State } from "@tsbuild/llb";
import type { ImageConfig } from "@tsbuild/oci";
import type { CompileContext } from "./context.ts";
import { Environment, splitVariable } from "./environment.ts";
import { mistake } from "./failure.ts";
import { addHistory } from "./history.ts";
import type { WorkingImage } from "./image-config.ts";
import { DEFAULT_PATH, resolvePath } from "./paths.ts";
import type { Stage, StageBase } from "./stage.ts";

/** An ARG that is declared in the stage, with the value that it got. */
export interface DeclaredArg {
  readonly key: string;
  readonly value: string | undefined;
}

/** What an entry of a table or list takes beside its text, about. */
const ENTRY_BYTES = 64;

/** A mount with the lines of its RUN. */
export interface StageMount {
  readonly mount: Mount;
  readonly range: LineRange;
}

/** A stage while its instructions run: filesystem, environment and image config after the last one. */
export class StageBuild {
  readonly stage: Stage;
  readonly context: CompileContext;
  readonly platform: Platform;
  readonly resolvedImage: ImageConfig | undefined;
  image: WorkingImage;
  state: State;
  /** Platform of the filesystem, for the names of commands; undefined on scratch. */
  statePlatform: Platform | undefined;
  env: Environment;
  workdir: string;
  user: string;
  readonly args: DeclaredArg[];
  /** The last value of each declared ARG, in the order of the first declarations. */
  readonly argValues: Map<string, string | undefined>;
  /** A WORKDIR of the Dockerfile has been seen, here or in the base stage. */
  workdirSet: boolean;
  /** Lines of the last CMD, ENTRYPOINT and HEALTHCHECK of this stage. */
  readonly lastOf = new Map<Command["kind"], LineRange>();
  /** Mounts of this stage's RUNs, variables expanded. */
  readonly mounts: StageMount[] = [];
  /** Its image has the first part of the history. */
  readonly #base: StageBuild | undefined;
  /** Entries of the history that came with an image. */
  readonly #inheritedEntries: number;

  private constructor(stage: Stage, context: CompileContext, from: StageBase, base: StageBuild | undefined) {
    this.stage = stage;
    this.#base = base;
    this.context = context;
    this.platform = from.platform;
    this.resolvedImage = from.resolved;
    this.image = from.image;
    this.#inheritedEntries = from.image.history.length;
    this.state = from.state;
    this.statePlatform = from.statePlatform;
    this.env = base?.env.clone() ?? new Environment();
    this.workdir = base?.workdir ?? "/";
    this.user = base?.user ?? "";
    this.args = [...(base?.args ?? [])];
    this.argValues = new Map(base?.argValues ?? []);
    this.workdirSet = base?.workdirSet ?? false;
    this.#adoptConfig();
  }

  /** Starts on an image, a named context or scratch. */
  static onImage(stage: Stage, context: CompileContext, from: StageBase): StageBuild {
    return new StageBuild(stage, context, from, undefined);
  }

  /** Starts on another stage; its triggers do not carry over, its ARGs do (D046). */
  static onStage(stage: Stage, context: CompileContext, base: StageBuild): StageBuild {
    // The history so far stays with the base: thousands of stages on each other must not each have a copy.
    context.budget.spend(base.sizeBytes);
    const { history: _, ...config } = base.image;
    const image: WorkingImage = { ...structuredClone(config), history: [] };
    delete image.config.OnBuild;
    const { state, platform, statePlatform, resolvedImage: resolved } = base;
    return new StageBuild(stage, context, { state, image, platform, statePlatform, resolved }, base);
  }

  /** Environment, working folder and user of the image config hold from here on (D070). */
  #adoptConfig(): void {
    const { config } = this.image;
    const names = new Set((config.Env ?? []).map((entry) => splitVariable(entry)[0]));
    if (!names.has("PATH") && this.platform.os !== "windows")
      config.Env = [...(config.Env ?? []), `PATH=${DEFAULT_PATH}`];
    for (const entry of config.Env ?? []) this.env.set(...splitVariable(entry));
    if (config.WorkingDir) this.setWorkdir(config.WorkingDir);
    if (config.User) this.user = config.User;
  }

  /** Relative to the image's working folder. */
  setWorkdir(path: string): void {
    const { config } = this.image;
    const windows = this.platform.os === "windows";
    const slashed = (text: string) => (windows ? text.replaceAll("\\", "/") : text);
    const workdir = resolvePath(slashed(config.WorkingDir || "/"), slashed(path));
    if (Buffer.byteLength(workdir) >= limits.pathBytes)
      throw mistake(
        `the working folder has a path of ${limits.pathBytes} bytes or more, which Linux does not take`,
        "do relative WORKDIRs add up? start one with /",
      );
    this.workdir = workdir;
    // The config of a Windows image is read by Windows; ops have slashes everywhere.
    config.WorkingDir = windows ? this.workdir.replaceAll("/", "\\") : this.workdir;
  }

  /** Expands one word with the variables of this point. */
  expand(word: string, options: WordOptions = this.context.wordOptions): ExpandedWord {
    return expandWord(word, this.env, options);
  }

  /** What a copy of it takes, about. */
  get sizeBytes(): number {
    const { Labels, ExposedPorts, Volumes, OnBuild, Cmd, Entrypoint } = this.image.config;
    const tables = [Labels, ExposedPorts, Volumes].map((table) => Object.keys(table ?? {}).length);
    const lists = [this.args, OnBuild, Cmd, Entrypoint].map((list) => list?.length ?? 0);
    return this.env.sizeBytes + [...tables, ...lists].reduce((sum, count) => sum + count * ENTRY_BYTES, 0);
  }

  /** The ARGs of this stage's own instructions. */
  ownArgs(): readonly DeclaredArg[] {
    return this.args.slice(this.#base?.args.length ?? 0);
  }

  declareArg(key: string, value: string | undefined): void {
    this.args.push({ key, value });
    this.argValues.set(key, value);
  }

  addHistory(createdBy: string, layer = false): void {
    this.context.budget.spend(createdBy.length + ENTRY_BYTES);
    addHistory(this.image, { createdBy, layer, epochSeconds: this.context.epochSeconds });
  }

  /** The image with its whole history. */
  wholeImage(): WorkingImage {
    const parts: WorkingImage["history"][] = [];
    for (let build: StageBuild | undefined = this; build !== undefined; build = build.#base)
      parts.push(build.image.history);
    return { ...this.image, history: parts.reverse().flat() };
  }

  /** This stage and those that it is FROM, lowest first, with the number of history entries before the own ones of each. */
  stack(): { readonly stage: Stage; readonly entriesBefore: number }[] {
    const builds: StageBuild[] = [];
    for (let build: StageBuild | undefined = this; build !== undefined; build = build.#base)
      builds.push(build);
    let entries = 0;
    return builds.reverse().map((build) => {
      const entriesBefore = entries + build.#inheritedEntries;
      entries += build.image.history.length;
      return { stage: build.stage, entriesBefore };
    });
  }

  /** The SHELL with a command text as its last argument (D073). */
  shellCommand(args: readonly string[]): string[] {
    const { Shell } = this.image.config;
    const windows = this.image.os === "windows";
    const shell = Shell?.length ? Shell : windows ? ["cmd", "/S", "/C"] : ["/bin/sh", "-c"];
    return [...shell, args.join(" ")];
  }
}
