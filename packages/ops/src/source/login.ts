import type { Credentials } from "../git/login.ts";

/**
 * Header for a download, from the secrets `HTTP_AUTH_HEADER_host` (a whole header value) and `HTTP_AUTH_TOKEN_host` (a bearer token), as
 * D111 has them; undefined when the build has neither.
 */
export async function downloadLogin(url: string, credentials: Credentials): Promise<string | undefined> {
  if (!URL.canParse(url)) return undefined;
  const { host, hostname } = new URL(url);
  for (const name of new Set([host, hostname])) {
    const header = await credentials.secret(`HTTP_AUTH_HEADER_${name}`);
    if (header !== undefined) return Buffer.from(header).toString("utf8").trim();
    const token = await credentials.secret(`HTTP_AUTH_TOKEN_${name}`);
    if (token !== undefined) return `Bearer ${Buffer.from(token).toString("utf8").trim()}`;
  }
  return undefined;
}
