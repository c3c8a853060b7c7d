import { type Digest, TsbuildError } from "@tsbuild/base";
import type { ImageConfig } from "@tsbuild/oci";
import type { Compiled, CompileRequest, ImageResolver, ResolvedImage } from "../../src/api.ts";
import { compile } from "../../src/index.ts";

export const amd64 = { os: "linux", architecture: "amd64" };
export const arm64 = { os: "linux", architecture: "arm64" };
export const DIGEST = `sha256:${"12".repeat(32)}` as Digest;

/** What is compiled when nothing else is said: for this machine, without arguments and contexts. */
export function request(text: string, more: Partial<CompileRequest> = {}): CompileRequest {
  return {
    file: "build/Dockerfile",
    text,
    platforms: [],
    buildPlatform: amd64,
    buildArgs: {},
    labels: {},
    namedContexts: {},
    noCache: "none",
    network: "default",
    addHosts: [],
    ulimits: [],
    ...more,
  };
}

/** Knows every image; counts what it is asked. */
export class Resolver implements ImageResolver {
  readonly asked: string[] = [];
  readonly #answers: Readonly<Record<string, Partial<ResolvedImage> | TsbuildError>>;

  constructor(answers: Readonly<Record<string, Partial<ResolvedImage> | TsbuildError>> = {}) {
    this.#answers = answers;
  }

  async resolve(name: string, { platform }: { platform: typeof amd64 }): Promise<ResolvedImage> {
    this.asked.push(`${name} ${platform.architecture}`);
    const answer = this.#answers[name];
    if (answer instanceof TsbuildError) throw answer;
    const rootfs: ImageConfig["rootfs"] = { type: "layers", diff_ids: [DIGEST as never] };
    return { config: { ...platform, config: {}, rootfs }, ...answer };
  }
}

export function run(
  text: string,
  more: Partial<CompileRequest> = {},
  resolver: ImageResolver = new Resolver(),
) {
  return compile(request(text, more), resolver);
}

/** The error of a compilation that has to fail. */
export async function failure(compiling: Promise<Compiled>): Promise<TsbuildError> {
  const error = await compiling.then(
    () => new Error("compiled"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof TsbuildError)) throw error;
  return error;
}
