import { posix } from "node:path";
import { parseDigest, TsbuildError } from "@tsbuild/base";
import { type Annotations, type CopyOptions, http, type State } from "@tsbuild/llb";
import { mistake } from "../failure.ts";
import { gitSource, parseGitReference } from "../git-source.ts";
import { decodePercent } from "../percent.ts";

export interface RemoteOptions {
  /** `--checksum`; empty when not given. */
  readonly checksum: string;
  readonly keepGitDir?: boolean | undefined;
}

interface RemoteCopy {
  readonly from: State;
  readonly src: string;
  readonly options: CopyOptions;
}

/** The two places that can say the same thing must not contradict each other. */
function agreed<T>(flag: T | undefined, query: T | undefined, what: string): T | undefined {
  if (flag !== undefined && query !== undefined && flag !== query)
    throw mistake(
      `the flag --${what} and the query of the git URL contradict each other`,
      "keep one of them",
    );
  return query ?? flag;
}

function gitCopy(url: string, options: RemoteOptions, annotations: Annotations): RemoteCopy {
  const reference = parseGitReference(url)!;
  const checksum = agreed(options.checksum || undefined, reference.checksum || undefined, "checksum");
  const keepGitDir = agreed(options.keepGitDir, reference.keepGitDir, "keep-git-dir");
  const from = gitSource({ ...reference, checksum: checksum ?? "", keepGitDir, mtime: "" }, annotations);
  return { from, src: "/", options: {} };
}

/** Name of the file that a URL gives (D111). */
function fileName(url: string): string {
  const base = posix.basename(URL.canParse(url) ? (decodePercent(new URL(url).pathname) ?? "") : "");
  return base === "" ? "__unnamed__" : base;
}

function checkedDigest(checksum: string): string {
  try {
    return checksum === "" ? "" : parseDigest(checksum);
  } catch (cause) {
    throw new TsbuildError("TSB_DOCKERFILE", `${JSON.stringify(checksum)} is not a checksum`, {
      hint: "write it as --checksum=sha256:<64 hex digits>",
      cause,
    });
  }
}

function httpCopy(
  url: string,
  options: RemoteOptions,
  annotations: Annotations,
  unpack: boolean | undefined,
): RemoteCopy {
  const filename = fileName(url);
  const from = http(url, { filename, checksum: checkedDigest(options.checksum), annotations });
  return { from, src: filename, options: { attemptUnpack: unpack ?? false } };
}

/** A git repository (D112) or a download (D111) as the source of ADD. */
export function remoteCopy(
  url: string,
  options: RemoteOptions & Pick<Annotations, "name" | "lines"> & { readonly unpack: boolean | undefined },
): RemoteCopy {
  const { name, lines, unpack } = options;
  // With the lines of the instruction: a download that fails is shown where it was asked for.
  const annotations = { name, lines };
  return parseGitReference(url) === undefined
    ? httpCopy(url, options, annotations, unpack)
    : gitCopy(url, options, annotations);
}
