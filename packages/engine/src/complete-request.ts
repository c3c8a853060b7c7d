import type { BuildRequest } from "./api.ts";

/** A request with what holds where nothing was said. */
export type CompleteRequest = ReturnType<typeof completeRequest>;

/** What holds where a program says nothing is what holds on the command line without flags. */
export function completeRequest(request: BuildRequest) {
  return {
    ...request,
    tags: request.tags ?? [],
    buildArgs: request.buildArgs ?? {},
    labels: request.labels ?? {},
    platforms: request.platforms ?? [],
    noCache: request.noCache ?? false,
    noCacheFilter: request.noCacheFilter ?? [],
    pull: request.pull ?? false,
    outputs: request.outputs ?? [],
    network: request.network ?? "default",
    addHosts: request.addHosts ?? [],
  };
}
