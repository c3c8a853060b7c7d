import { join } from "node:path";
import { nativeFs } from "@tsbuild/native-fs";
import { type ContextListing, listContext } from "@tsbuild/ops/context-list";
import { readIgnore } from "./dockerfile-source.ts";
import { contextFolder } from "./request.ts";

export type { ContextListing, ContextPart } from "@tsbuild/ops/context-list";

export interface ContextListRequest {
  readonly folder: string;
  /** Whose own ignore file goes before that of the folder; default: the Dockerfile in it. */
  readonly dockerfile?: string | undefined;
  readonly noIgnore: boolean;
  /** How many of the largest files are listed. */
  readonly largest: number;
}

/** The context of a build as its steps see it, and the ignore file that decides; throws TSB_USAGE when there is no such folder. */
export async function contextList({
  folder,
  dockerfile,
  noIgnore,
  largest,
}: ContextListRequest): Promise<ContextListing & { readonly ignoreFile: string | undefined }> {
  const top = contextFolder(folder);
  const file = noIgnore ? undefined : readIgnore(top, dockerfile ?? join(top, "Dockerfile"));
  const { parseIgnoreFile } = await import("@tsbuild/dockerfile/patterns");
  const ignore = file === undefined ? [] : parseIgnoreFile(file.text, { file: file.file });
  return { ...(await listContext(nativeFs, top, { ignore, largest })), ignoreFile: file?.file };
}
