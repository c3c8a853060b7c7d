import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Digest, type Platform, TsbuildError } from "@tsbuild/base";
import { type ImageConfig, parseReference } from "@tsbuild/oci";
import type { CompileRequest, ImageResolver, ResolvedImage } from "../../src/api.ts";
import { normalizePlatform, parsePlatform } from "../../src/platform.ts";

/** Where the conformance corpus is expected: beside the repository. Its README says what is in it. */
export const corpusRoot = join(dirname(fileURLToPath(import.meta.url)), "../../../../../shared/corpus");
export const hasCorpus = existsSync(join(corpusRoot, "INDEX.tsv"));

const differencesFile = join(dirname(fileURLToPath(import.meta.url)), "../../../../docs/differences.md");

/** `category case` of every row of the table in docs/differences.md. */
function readDifferences(): Set<string> {
  const rows = readFileSync(differencesFile, "utf8").matchAll(/^\| (\w+) \| `([^`]+)` \|/gm);
  return new Set(Array.from(rows, ([, category, name]) => `${category} ${name}`));
}

const onPurpose = readDifferences();

export function differsOnPurpose(category: string, place: string): boolean {
  return onPurpose.has(`${category} ${place}`);
}

export interface ExpectedError {
  readonly error: string;
  readonly lines?: readonly (readonly [number, number])[];
}

export interface ExpectedWarning {
  readonly rule: string;
  readonly msg: string;
  readonly lines: readonly [number, number];
}

export interface ExpectedBuild {
  readonly opts?: Readonly<Record<string, string>>;
  readonly platform?: string;
  readonly error?: ExpectedError;
  readonly marshalError?: ExpectedError;
  readonly llb?: unknown;
  readonly image?: Record<string, unknown>;
  readonly warnings?: readonly ExpectedWarning[];
  readonly epoch?: number;
  readonly unstable?: boolean;
}

/** What `--check` finds; absent parts are not to be compared. */
export interface ExpectedLint {
  readonly warnings?: readonly ExpectedWarning[];
  readonly buildError?: ExpectedError;
  readonly unstable?: boolean;
}

export interface CorpusCase {
  readonly file: string;
  readonly text: string;
  readonly ignore: { readonly file: string; readonly text: string } | undefined;
  readonly builds: readonly ExpectedBuild[];
  readonly lint: ExpectedLint;
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(join(corpusRoot, path), "utf8"));
}

interface FeatureCase {
  readonly dockerignore?: string;
}

function ignoreText(file: string, features: Readonly<Record<string, FeatureCase>>): string | undefined {
  const name = file.replace(/^features\//, "");
  if (name !== file) return features[name]?.dockerignore;
  if (file.startsWith("real/")) return undefined;
  const path = join(corpusRoot, "dockerfiles", dirname(file), ".dockerignore");
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

export function readCorpus(): CorpusCase[] {
  const features = readJson("dockerfiles/features/cases.json") as Record<string, FeatureCase>;
  const index = readFileSync(join(corpusRoot, "INDEX.tsv"), "utf8").trim().split("\n").slice(1);
  return index.map((row) => {
    const file = row.split("\t")[0] as string;
    const ignore = ignoreText(file, features);
    const expected = readJson(`expected/${file}.json`) as {
      builds?: ExpectedBuild[];
      calls?: { lint?: ExpectedLint };
    };
    return {
      file,
      text: readFileSync(join(corpusRoot, "dockerfiles", file), "utf8"),
      ignore: ignore === undefined ? undefined : { file: ".dockerignore", text: ignore },
      builds: expected.builds ?? [],
      lint: expected.calls?.lint ?? { unstable: true },
    };
  });
}

interface CannedImage {
  readonly image?: ImageConfig;
  readonly digest?: Digest;
  readonly error?: string;
}

/** Answers from `images.json`, looked up by full reference, by name, and at last by `*`. */
export class CannedResolver implements ImageResolver {
  readonly #images = readJson("images.json") as Record<string, CannedImage>;

  async resolve(name: string, { platform }: { readonly platform: Platform }): Promise<ResolvedImage> {
    const { host, repository } = parseReference(name);
    const canned = this.#images[name] ?? this.#images[`${host}/${repository}`] ?? this.#images["*"]!;
    if (canned.error !== undefined) throw new TsbuildError("TSB_RESOLVE", canned.error);
    const config = structuredClone(canned.image!);
    if (!config.architecture) {
      config.os = platform.os;
      config.architecture = platform.architecture;
      if (platform.variant) config.variant = platform.variant;
    }
    return { config, ...(canned.digest === undefined ? {} : { digest: canned.digest }) };
  }
}

function prefixed(opts: Readonly<Record<string, string>>, prefix: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(opts).flatMap(([key, value]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [],
    ),
  );
}

function platformsOf(build: ExpectedBuild): Platform[] {
  const text = build.platform ?? build.opts?.["platform"];
  return text === undefined ? [] : text.split(",").map((one) => normalizePlatform(parsePlatform(one)));
}

function noCacheOf(value: string | undefined): CompileRequest["noCache"] {
  if (value === undefined) return "none";
  return value === "" ? "all" : value.split(",");
}

function pairs(text: string | undefined, separator: string): string[][] {
  return text === undefined ? [] : text.split(",").map((entry) => entry.split(separator));
}

/** The request that the options of one expected build stand for. */
export function requestOf(file: CorpusCase, build: ExpectedBuild): CompileRequest {
  const opts = build.opts ?? {};
  const network = opts["force-network-mode"];
  return {
    file: "Dockerfile",
    text: file.text,
    ignore: file.ignore,
    target: opts["target"],
    platforms: platformsOf(build),
    buildPlatform: { os: "linux", architecture: "amd64" },
    buildArgs: prefixed(opts, "build-arg:"),
    labels: prefixed(opts, "label:"),
    namedContexts: prefixed(opts, "context:"),
    context: opts["context"],
    noCache: noCacheOf(opts["no-cache"]),
    network: network === "host" || network === "none" ? network : "default",
    addHosts: pairs(opts["add-hosts"], "=").map(([host = "", ip = ""]) => ({ host, ip })),
    ulimits: pairs(opts["ulimit"], "=").map(([name = "", limits = ""]) => {
      const [soft, hard = soft] = limits.split(":");
      return { name, soft: Number(soft), hard: Number(hard) };
    }),
    shmSizeBytes: opts["shm-size"] === undefined ? undefined : Number(opts["shm-size"]),
    cgroupParent: opts["cgroup-parent"],
    hostname: opts["hostname"],
    resolveMode: opts["image-resolve-mode"] as CompileRequest["resolveMode"],
    multiPlatform: (opts["platform"] ?? "").includes(","),
  };
}
