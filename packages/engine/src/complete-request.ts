import type { BuildRequest, CompleteRequest } from "./api.ts";

/** What holds where a program says nothing is what holds on the command line without flags. */
export function completeRequest(request: BuildRequest): CompleteRequest {
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
