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

/** `wanted`: as the image's name has it; a mirror may have it below a prefix. */
export function targetOf(transport: Transport, endpoint: Endpoint, wanted: string): Target {
  const { origin } = new URL(endpoint.url);
  const repository = endpoint.prefix === undefined ? wanted : `${endpoint.prefix}/${wanted}`;
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
