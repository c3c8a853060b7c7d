import type { Credentials } from "../git/login.ts";

/**
 * Header for a download, from the secrets `HTTP_AUTH_HEADER_host` (a whole header value) and `HTTP_AUTH_TOKEN_host` (a bearer token), as
 * D111 has them, else from the user and password in the URL; undefined when there is nothing.
 */
export async function downloadLogin(url: string, credentials: Credentials): Promise<string | undefined> {
  if (!URL.canParse(url)) return undefined;
  const { host, hostname, username, password } = new URL(url);
  for (const name of new Set([host, hostname])) {
    const header = await credentials.secret(`HTTP_AUTH_HEADER_${name}`);
    if (header !== undefined) return Buffer.from(header).toString("utf8").trim();
    const token = await credentials.secret(`HTTP_AUTH_TOKEN_${name}`);
    if (token !== undefined) return `Bearer ${Buffer.from(token).toString("utf8").trim()}`;
  }
  if (username === "" && password === "") return undefined;
  const [user = "", secret = ""] = [username, password].map(decoded);
  return `Basic ${Buffer.from(`${user}:${secret}`).toString("base64")}`;
}

/** A part of a URL as it is meant; one with a percent sign that begins no character is meant as it is. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return part;
    throw error;
  }
}
