import type { Platform } from "@tsbuild/base";
import type { PathMatcher, WordOptions } from "@tsbuild/dockerfile";
import type { ProxyEnv, State } from "@tsbuild/llb";
import type { CompileRequest } from "./api.ts";
import type { Budget } from "./budget.ts";
import type { Environment } from "./environment.ts";
import type { SourceText } from "./failure.ts";
import type { Linter } from "./lint/linter.ts";
import type { RecordingResolver } from "./recording-resolver.ts";
import type { StageTable } from "./stage-table.ts";

/** Which platforms a compilation is about (D054, D067). */
export interface PlatformChoice {
  readonly target: Platform;
  readonly build: Platform;
  /** Nobody asked for a platform: the base image may decide. */
  readonly implicit: boolean;
}

/** Everything that the compilation of one platform shares. */
export interface CompileContext {
  readonly request: CompileRequest;
  readonly source: SourceText;
  readonly wordOptions: WordOptions;
  readonly platforms: PlatformChoice;
  /** ARGs before the first FROM, with the predefined ones. */
  readonly globalArgs: Environment;
  /** `--build-arg`; SOURCE_DATE_EPOCH as number of seconds. */
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly epochSeconds: number | undefined;
  readonly proxyEnv: ProxyEnv | undefined;
  readonly multiPlatform: boolean;
  readonly hostname: string;
  readonly cacheNamespace: string;
  readonly resolver: RecordingResolver;
  readonly stages: StageTable;
  readonly linter: Linter;
  /** Bounds what this platform's compilation comes to. */
  readonly budget: Budget;
  /** Names of all ARGs that were seen. */
  readonly declaredArgs: Set<string>;
  /** The user's files; which of them is known when all instructions have been seen. */
  readonly mainContext: State;
  /** Paths that instructions need of the main context. */
  readonly contextPaths: Set<string>;
  /** Patterns of the ignore file, when the main context is a local folder that has one. */
  readonly ignored: PathMatcher | undefined;
}
