import { resolve } from "node:path";
import { TsbuildError } from "@tsbuild/base";
import { type CollectReport, collectAfterBuild, type Needs } from "@tsbuild/store";
import type { CompleteRequest } from "../complete-request.ts";
import type { Session } from "../session.ts";

/** What a collection calls the builds that belong together, for people: their context and Dockerfile. */
export function placeOf({ context, dockerfile }: CompleteRequest): string {
  const place =
    context.type === "folder"
      ? resolve(context.path)
      : context.type === "remote"
        ? context.url.replace(/\/\/[^/@]*@/, "//")
        : context.type;
  return dockerfile === undefined || dockerfile === "-" ? place : `${place} (${dockerfile})`;
}

/** What a failed build looked up counts too: the next one begins there. A full disk is no reason for another failure. */
export function finishNeeds(needs: Needs, request: CompleteRequest): void {
  try {
    needs.finish(placeOf(request));
  } catch (error) {
    if (!(error instanceof TsbuildError)) throw error;
  }
}

/** Collection that fails (of a full disk, say) must not make a build fail that has succeeded: `prune` tells about it. */
export async function collectAfter({ store, settings }: Session): Promise<CollectReport | undefined> {
  if (settings.gc === undefined) return undefined;
  const report = await collectAfterBuild(store, settings.gc).catch(() => undefined);
  return report === undefined || report.removed.length === 0 ? undefined : report;
}
