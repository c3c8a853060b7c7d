import { errnoCode, hideCredentials, TsbuildError } from "@tsbuild/base";
import { downloadError, isCertificateCode } from "./failure.ts";
import { header, messageOf, Transport } from "./transport.ts";

/** What an earlier download of the same URL left to ask again with. */
export interface Validators {
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
}

export type Download =
  | { readonly type: "unchanged" }
  | {
      readonly type: "body";
      readonly body: AsyncIterable<Uint8Array>;
      readonly sizeBytes: number | undefined;
      readonly validators: Validators;
      /** From Content-Disposition or the URL; "" when neither gives a name. */
      readonly fileName: string;
    };

/** A name with a percent sign that begins no character is what it is. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch (error) {
    if (error instanceof URIError) return name;
    throw error;
  }
}

/** The name that a server or URL gives a file; only its last path element, never a path (D111). */
function fileNameOf(url: string, disposition: string | undefined): string {
  const quoted = disposition === undefined ? undefined : /filename="?([^";]+)"?/i.exec(disposition)?.[1];
  const fromUrl = decoded(new URL(url).pathname.split("/").pop() ?? "");
  const name = (quoted ?? fromUrl).split("/").pop() ?? "";
  return name === "." || name === ".." ? "" : name;
}

/** What a registry's user would do about a failed connection does not help here. */
function withoutRegistry(error: unknown): unknown {
  if (!(error instanceof TsbuildError) || error.cause === undefined) return error;
  const isCertificate = isCertificateCode(errnoCode(error.cause));
  const hint = isCertificate
    ? "it is checked against the certificates of Node: NODE_EXTRA_CA_CERTS=FILE adds to them"
    : "check the URL and the network; --offline uses what is here already";
  return new TsbuildError(error.code, error.message, { hint, cause: error.cause });
}

/** Plain downloads for ADD. */
export interface Downloader {
  get(
    url: string,
    options: {
      readonly validators: Validators;
      readonly signal: AbortSignal;
      /** Sent to the URL's own origin only. */
      readonly authorization?: string | undefined;
    },
  ): Promise<Download>;
  close(): Promise<void>;
}

export function createDownloader(
  options: { readonly env?: Readonly<Record<string, string | undefined>> | undefined } = {},
): Downloader {
  const transport = new Transport({ env: options.env });
  return {
    get: async (url, { validators, signal, authorization }) => {
      const headers: Record<string, string> = {};
      if (validators.etag !== undefined) headers["if-none-match"] = validators.etag;
      else if (validators.lastModified !== undefined) headers["if-modified-since"] = validators.lastModified;
      const what = `downloading ${hideCredentials(url)}`;
      if (!URL.canParse(url))
        throw new TsbuildError("TSB_RESOLVE", `${JSON.stringify(hideCredentials(url))} is not a URL`);
      const call = { what, url, method: "GET", headers, signal, authorization, pool: "transfers" } as const;
      const answer = await transport.send(call).catch((error: unknown) => {
        throw withoutRegistry(error);
      });
      if (answer.status === 304) {
        await answer.body.dump();
        return { type: "unchanged" };
      }
      if (answer.status !== 200) throw downloadError(what, url, answer.status, await messageOf(answer));
      const length = header(answer, "content-length");
      return {
        type: "body",
        body: answer.body,
        sizeBytes: length === undefined ? undefined : Number(length),
        validators: { etag: header(answer, "etag"), lastModified: header(answer, "last-modified") },
        fileName: fileNameOf(answer.url, header(answer, "content-disposition")),
      };
    },
    close: () => transport.close(),
  };
}
