import type { LineRange, Platform } from "@tsbuild/base";
import type { Command } from "@tsbuild/dockerfile";
import type { State } from "@tsbuild/llb";
import type { ImageConfig } from "@tsbuild/oci";
import type { WorkingImage } from "./image-config.ts";
import type { NamedContext } from "./named-context.ts";
import type { StageBuild } from "./stage-build.ts";

/** An instruction of a stage with the stages that it takes files from. */
export interface StageCommand {
  readonly command: Command;
  /** COPY: at most one. RUN: one per mount, undefined for mounts without `from`. */
  readonly sources: readonly (Stage | undefined)[];
  /** It is a trigger of the base image or stage. */
  readonly onbuild: boolean;
  readonly range: LineRange;
  /** Comments above, which may silence warnings. */
  readonly comments: readonly string[];
}

/** The filesystem that a stage starts on, with what is known of it. */
export interface StageBase {
  readonly state: State;
  /** A private copy. */
  readonly image: WorkingImage;
  readonly platform: Platform;
  /** Platform of the filesystem itself; undefined for scratch and local folders. */
  readonly statePlatform?: Platform | undefined;
  /** The config as it was resolved. */
  readonly resolved?: ImageConfig | undefined;
}

export interface StageInit {
  readonly baseName: string;
  readonly name?: string | undefined;
  readonly displayName: string;
  readonly range?: LineRange | undefined;
  readonly comments?: readonly string[] | undefined;
  readonly source?: string | undefined;
  readonly platform?: Platform | undefined;
  readonly written?: readonly Command[] | undefined;
  /** Made for a `--from` that is no stage: an image or a named context. */
  readonly implicit?: boolean | undefined;
}

/**
 * A stage of the Dockerfile, or an image that some `--from` names. First it is planned (dependencies, triggers),
 * then its base is resolved, then its instructions run (`build`).
 */
export class Stage {
  /** Image or stage, variables expanded. */
  readonly baseName: string;
  /** In lower case. */
  readonly name: string | undefined;
  /** Name in progress texts; empty when the file has one stage only. */
  displayName: string;
  /** Lines of the FROM. */
  readonly range: LineRange | undefined;
  readonly comments: readonly string[];
  /** Text of the FROM. */
  readonly source: string;
  /** From `--platform`. */
  readonly platform: Platform | undefined;
  readonly implicit: boolean;
  /** The instructions as written, before triggers. */
  readonly written: readonly Command[];

  /** The stage that this one is FROM. */
  base: Stage | undefined;
  /** The named context that stands in for the whole stage. */
  replacement: NamedContext | undefined;
  /** Stages that files are taken from, with the lines that do so. */
  readonly needs = new Map<Stage, LineRange>();
  commands: StageCommand[] = [];
  /** Paths of this filesystem that anything needs; one set for a stage and all that are FROM it. */
  paths = new Set<string>();
  ignoreCache = false;
  /** Number of steps that progress counts to. */
  stepTotal = 0;
  stepIndex = 0;
  /** Place in the table. */
  index = 0;

  resolved: StageBase | undefined;
  /** Triggers of the base stage have been read. */
  triggersRead = false;
  build: StageBuild | undefined;

  constructor(init: StageInit) {
    this.baseName = init.baseName;
    this.name = init.name;
    this.displayName = init.displayName;
    this.range = init.range;
    this.comments = init.comments ?? [];
    this.source = init.source ?? "";
    this.platform = init.platform;
    this.written = init.written ?? [];
    this.implicit = init.implicit ?? false;
  }

  /** True for a stage that has no instructions of its own to run: a named context or an image. */
  get isPlain(): boolean {
    return this.implicit || this.replacement !== undefined;
  }

  /** True for a named context that is no image: files of the user, as those of the build context are. */
  get isFiles(): boolean {
    return this.isPlain && this.resolved !== undefined && this.resolved.resolved === undefined;
  }

  /** The filesystem after the last instruction; undefined while the stage is not built. */
  get result(): State | undefined {
    return this.isPlain ? this.resolved?.state : this.build?.state;
  }
}
