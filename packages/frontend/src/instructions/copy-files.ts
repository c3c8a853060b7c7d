import { posix } from "node:path";
import { hideCredentials } from "@tsbuild/base";
import type { AddInstruction, CopyInstruction, SourceContent } from "@tsbuild/dockerfile";
import {
  type CopyOptions,
  describePragma,
  FileActions,
  merge,
  mkfile,
  type State,
  scratch,
} from "@tsbuild/llb";
import { mistake } from "../failure.ts";
import { isHttpSource, parseGitReference } from "../git-source.ts";
import { contextPath, destinationPath, hasWildcard } from "../paths.ts";
import { currentStepName, nextStepName, type StepPlatform } from "../progress.ts";
import { parseMode } from "./mode.ts";
import { ownerOf } from "./owner.ts";
import { type RemoteOptions, remoteCopy } from "./remote-sources.ts";
import type { Step } from "./step.ts";
import { stepText } from "./step-text.ts";
import { warnIgnoredSource } from "./warnings.ts";

type CopyStep = Step<CopyInstruction> | Step<AddInstruction>;

/** The words of COPY and ADD with variables filled in. */
export interface ExpandedCopy {
  readonly chown: string;
  readonly chmod: string;
  readonly sources: readonly string[];
  readonly contents: readonly SourceContent[];
  readonly dest: string;
}

export interface CopyRequest extends ExpandedCopy {
  /** Filesystem of the sources that are paths. */
  readonly from: State;
  /** `from` is the build context. */
  readonly local: boolean;
  /** `from` is the user's files: the build context, or a named one that is no image. */
  readonly files: boolean;
  readonly parents: boolean;
  /** `--unpack`; undefined: the instruction's default. */
  readonly unpack: boolean | undefined;
  /** ADD only: how URLs are fetched. */
  readonly remote?: RemoteOptions | undefined;
}

/** Bodies of heredocs: quotes are text there, and the escape character is always a backslash (D028). */
function expandContent(step: CopyStep, content: SourceContent): SourceContent {
  if (!content.expand) return content;
  return {
    ...content,
    data: step.expand(content.data, { ...step.context.wordOptions, escape: "\\", skipQuotes: true }),
  };
}

export function expandCopy(step: CopyStep): ExpandedCopy {
  const { command, expand } = step;
  return {
    chown: expand(command.chown),
    chmod: expand(command.chmod),
    sources: command.sources.map((source) => expand(source)),
    dest: expand(command.dest),
    contents: command.contents.map((content) => expandContent(step, content)),
  };
}

/** What the user's files are dated: as they are, unless the build is to be reproducible from any copy of them (W024). */
function timeOptions({ context }: CopyStep, { files }: CopyRequest): CopyOptions {
  const { request, epochSeconds } = context;
  if (!files || request.reproducible === undefined || epochSeconds === undefined) return {};
  return { timestampNs: BigInt(epochSeconds) * 1_000_000_000n };
}

/** Options that hold for every source of the instruction. */
function commonOptions(step: CopyStep, request: CopyRequest): CopyOptions {
  const { chown, chmod } = request;
  return {
    createDestPath: true,
    ...timeOptions(step, request),
    ...(chmod === "" ? {} : { mode: parseMode(chmod) }),
    ...(chown === "" ? {} : { owner: ownerOf(chown) }),
    excludePatterns: step.command.exclude,
  };
}

/** `--parents` (D107): the source up to `/./` is the root, what follows is kept below the destination. */
function parentsOptions(source: string): { src: string; options: CopyOptions } {
  const pivot = source.indexOf("/./");
  const root = pivot < 0 ? "/" : source.slice(0, pivot);
  const written = pivot < 0 ? source : source.slice(pivot + "/./".length);
  const pattern = posix.isAbsolute(written) ? written : contextPath(written);
  const literal = !hasWildcard(root) && !hasWildcard(pattern);
  const options = {
    includePatterns: [pattern.replace(/^\//, "")],
    ...(literal ? { requiredPaths: [contextPath(`${root}/${pattern}`)] } : {}),
  };
  return { src: root, options };
}

function pathCopy(step: CopyStep, request: CopyRequest, source: string) {
  if (request.local) warnIgnoredSource(step, source);
  const { src, options } = request.parents ? parentsOptions(source) : { src: source, options: {} };
  const unpack = request.unpack ?? step.command.kind === "add";
  return {
    from: request.from,
    src,
    options: {
      ...options,
      followSymlink: true,
      dirCopyContents: true,
      attemptUnpack: unpack,
      allowWildcard: true,
      allowEmptyWildcard: true,
    },
  };
}

function isGitSource(source: string): boolean {
  return parseGitReference(source)?.looksLocal === false;
}

/** COPY takes no URLs (D113). */
function refuseRemote(source: string): void {
  const what = isGitSource(source) ? "a git repository" : "a URL";
  throw mistake(`COPY cannot copy from ${what}: ${source}`, "use ADD");
}

/** A heredoc is a file in a folder of its own, which has no others (D032): making it would fail in the build. */
function refuseFolders(path: string): void {
  const clean = contextPath(path);
  const folder = posix.dirname(clean);
  if (folder === "/" && clean !== "/") return;
  const name = posix.basename(clean) || "FILE";
  throw mistake(
    `the heredoc ${JSON.stringify(path)} cannot be a file: its name has folders in it`,
    `put them in the destination: COPY <<${name} /path/to/${name}`,
  );
}

function allActions(step: CopyStep, request: CopyRequest, name: string): FileActions {
  const common = commonOptions(step, request);
  const dest = destinationPath(step.build.workdir, request.dest);
  let actions = FileActions.none();
  for (const source of request.sources) {
    const isRemote = isHttpSource(source) || isGitSource(source);
    if (isRemote && request.remote === undefined) refuseRemote(source);
    const one =
      isRemote && request.remote !== undefined
        ? remoteCopy(source, { ...request.remote, name, lines: [step.range], unpack: request.unpack })
        : pathCopy(step, request, source);
    actions = actions.copy(one.from, one.src, dest, { ...common, ...one.options });
  }
  for (const { path, data } of request.contents) {
    refuseFolders(path);
    const document = scratch().file(mkfile(path, data), { name: "[internal] preparing inline document" });
    actions = actions.copy(document, path, dest, common);
  }
  return actions;
}

/** `COPY --chown=1:1 a b /dest/`: what Docker's history shows of the instruction (D115), but no passwords of URLs: everybody who has the image reads it. */
function historyText(step: CopyStep, request: CopyRequest): string {
  const { chown, chmod, sources, contents, dest, parents } = request;
  return [
    step.command.kind.toUpperCase(),
    ...(parents ? ["--parents"] : []),
    ...(chown === "" ? [] : [`--chown=${chown}`]),
    ...(chmod === "" ? [] : [`--chmod=${chmod}`]),
    ...sources.map(hideCredentials),
    ...contents.map(({ path }) => `<<${path}`),
    dest,
    "# buildkit",
  ].join(" ");
}

function annotated({ build, pragma }: CopyStep) {
  const description = describePragma(pragma);
  return {
    ignoreCache: build.stage.ignoreCache || pragma.noCache,
    ...(Object.keys(description).length === 0 ? {} : { description }),
  };
}

/** `--link` (D108): the files go to a snapshot of their own, which is laid over the stage. */
function linked(step: CopyStep, actions: FileActions, text: string, where: StepPlatform): State {
  const { build, range } = step;
  const name = currentStepName(build.stage, text, where);
  const common = { lines: [range], ...annotated(step) };
  const id = `link:${build.stage.index}:${build.stage.stepIndex}`;
  const copied = scratch().file(actions, { ...common, name, progressGroup: { id, name, weak: true } });
  return merge([build.state, copied], {
    ...common,
    name: currentStepName(build.stage, text.replace(/^(?:ONBUILD )?/, "$&LINK "), where),
    progressGroup: { id, name },
  });
}

/** The names of a `--chown` are those of the stage's passwd and group. */
function namesOwner(chown: string): boolean {
  const { user, group } = ownerOf(chown);
  return chown !== "" && (typeof user === "string" || typeof group === "string");
}

/** Copies what the instruction names, as one step. */
export function copyFiles(step: CopyStep, request: CopyRequest): void {
  const { build, context, range, command } = step;
  const text = stepText(step);
  const where = { platform: context.multiPlatform ? build.platform : undefined, env: build.env };
  const name = nextStepName(build.stage, text, where);
  const actions = allActions(step, request, name);
  // BuildKit gives up the link when there is a --chmod, and fails on names: a snapshot of its own has no passwd (D108).
  if (command.link && request.chmod === "" && !namesOwner(request.chown))
    build.state = linked(step, actions, text, where);
  else
    build.state = build.state.file(actions, {
      name,
      lines: [range],
      ...annotated(step),
    });
  build.addHistory(historyText(step, request), true);
}
