import type { Access } from "./authorizer.ts";
import type { Endpoint } from "./hosts.ts";
import type { Transport } from "./transport.ts";

/** A repository at one endpoint. */
export interface Target {
  readonly transport: Transport;
  readonly endpoint: Endpoint;
  readonly repository: string;
  /** `https://registry-1.docker.io/v2/library/debian`. */
  readonly base: string;
  /** Rights to ask a token server for: `pull` or `pull,push`; `more` are further scopes. */
  access(actions: string, more?: readonly string[]): Access & { readonly origin: string };
}

export function targetOf(transport: Transport, endpoint: Endpoint, repository: string): Target {
  const { origin } = new URL(endpoint.url);
  return {
    transport,
    endpoint,
    repository,
    base: `${endpoint.url}/v2/${repository}`,
    access: (actions, more = []) => {
      const scopes = [`repository:${repository}:${actions}`, ...more];
      return { origin, host: endpoint.host, repository, scopes };
    },
  };
}
