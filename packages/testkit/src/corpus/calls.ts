import { TsbuildError } from "@tsbuild/base";
import type { CompileRequest, ImageResolver } from "@tsbuild/frontend";
import { listTargets, outline } from "@tsbuild/frontend";
import {
  CannedImages,
  dumpBuild,
  dumpError,
  dumpOutline,
  dumpTargets,
  type ErrorDump,
  requestOfOptions,
} from "@tsbuild/frontend/debug";
import { compareWarnings } from "./builds.ts";
import type { Corpus, CorpusCase } from "./corpus.ts";
import { differences } from "./differences.ts";
import type { Tally } from "./tally.ts";

interface Call {
  readonly file: CorpusCase;
  readonly request: () => CompileRequest;
  readonly resolver: ImageResolver;
  readonly tally: Tally;
}

async function attempt<T>(run: () => T | Promise<T>): Promise<T | ErrorDump> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof TsbuildError) return dumpError(error);
    throw error;
  }
}

function isError(value: unknown): value is ErrorDump {
  return typeof value === "object" && value !== null && "error" in value;
}

function isUnstable(value: unknown): boolean {
  return typeof value === "object" && value !== null && "unstable" in value;
}

/** `--call=check`: all stages. Errors are compared with the builds. */
async function compareCheck({ file, request, resolver, tally }: Call): Promise<void> {
  const lint = file.expected.calls?.lint;
  if (lint === undefined || lint.unstable || lint.buildError !== undefined) return;
  const [got] = await dumpBuild(() => ({ ...request(), allStages: true }), resolver);
  const found = got!.error === undefined ? [] : [`unexpected error: ${got!.error.error}`];
  tally.count("check", file.file, [...found, ...compareWarnings(lint.warnings ?? [], got!.warnings)]);
}

/** Lists in one order, and nothing of an entry that upstream gives differently from run to run but its name. */
function comparable(value: unknown, unstable: ReadonlySet<unknown>): unknown {
  const { cache: _, ...rest } = value as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(rest).map(([key, list]) => {
      if (!Array.isArray(list)) return [key, list];
      const items = (list as { name: unknown }[]).map((item) =>
        unstable.has(item.name) ? { name: item.name } : item,
      );
      return [key, items.sort((a, b) => (stableText(a) < stableText(b) ? -1 : 1))];
    }),
  );
}

function stableText(value: object): string {
  return JSON.stringify(Object.entries(value).sort());
}

/** Verdicts must agree; where both refuse, the builds compare the lines. Ours lists cache mounts, too. */
async function compareOutline({ file, request, resolver, tally }: Call): Promise<void> {
  const expected = file.expected.calls?.outline;
  if (expected === undefined || isUnstable(expected)) return;
  const got = await attempt(async () => dumpOutline(await outline(request(), resolver)));
  if (isError(expected) || isError(got)) {
    tally.count("outline", file.file, verdict(expected, got));
    return;
  }
  const args = (expected["args"] ?? []) as { name: unknown; unstable?: boolean }[];
  const unstable = new Set(args.filter((arg) => arg.unstable).map((arg) => arg.name));
  tally.count("outline", file.file, differences(comparable(expected, unstable), comparable(got, unstable)));
}

async function compareTargets({ file, tally }: Call): Promise<void> {
  const expected = file.expected.calls?.targets;
  if (expected === undefined || isUnstable(expected)) return;
  const got = await attempt(() => dumpTargets(listTargets({ file: "Dockerfile", text: file.text })));
  const found = isError(expected) || isError(got) ? verdict(expected, got) : differences(expected, got);
  tally.count("targets", file.file, found);
}

function verdict(expected: unknown, got: unknown): string[] {
  const shown = (value: unknown) => (isError(value) ? `the error ${value.error}` : "no error");
  return isError(expected) === isError(got) ? [] : [`expected ${shown(expected)}, got ${shown(got)}`];
}

/** What the calls without a build say: `check`, `outline`, `targets`; with the options of the first build. */
export async function compareCalls(corpus: Corpus, tally: Tally): Promise<void> {
  const resolver = new CannedImages(corpus.images());
  for (const file of corpus.cases()) {
    const source = { file: "Dockerfile", text: file.text, ignore: file.ignore };
    const first = file.expected.builds?.[0];
    const request = () => requestOfOptions(source, first?.opts ?? {}, first?.platform);
    const call = { file, request, resolver, tally };
    await compareCheck(call);
    await compareOutline(call);
    await compareTargets(call);
  }
}
