import { sha256, type VertexDigest } from "@tsbuild/base";
import type { Downloader, Validators } from "@tsbuild/registry";
import type { Store } from "@tsbuild/store";
import { expect, test } from "vitest";
import { createHttpFetcher } from "../src/source/fetcher.ts";

test("a URL's login is asked with, and is remembered by nothing that could be read", async () => {
  const kept = new Map<string, string>();
  const asked: [string, Validators | undefined][] = [];
  const memo = {
    get: (kind: string, key: string) => {
      const value = kept.get(`${kind} ${key}`);
      return value === undefined ? undefined : Buffer.from(value);
    },
    set: (kind: string, key: string, value: Uint8Array) =>
      void kept.set(`${kind} ${key}`, Buffer.from(value).toString()),
  };
  const blobs = { has: () => true, ingest: async () => ({ digest: sha256("body") }) };
  const downloader = {
    get: async (url: string, { validators }: { readonly validators?: Validators }) => {
      asked.push([url, validators]);
      const body = (async function* () {})();
      return { type: "body", body, sizeBytes: 0, validators: { etag: '"1"' }, fileName: "f" };
    },
  } as unknown as Downloader;
  const fetcher = createHttpFetcher({ memo, blobs } as unknown as Store, downloader);
  const vertex = sha256("v") as string as VertexDigest;
  const context = {
    vertex,
    signal: new AbortController().signal,
    emit: () => undefined,
    ignoreCache: false,
  };
  const urls = ["https://me:sesame@h/f", "https://you:sesame@h/f", "https://me:sesame@h/f"];
  for (const url of urls) await fetcher.fetch(url, context);
  expect(asked.map(([url]) => url)).toEqual(urls);
  // What one login got says nothing of another's.
  expect(asked.map(([, validators]) => validators?.etag)).toEqual([undefined, undefined, '"1"']);
  expect(JSON.stringify([...kept])).not.toContain("sesame");
});
