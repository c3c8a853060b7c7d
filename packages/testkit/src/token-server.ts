import { createSign, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface TokenServer {
  /** For `realm`. */
  readonly url: string;
  /** Method and scopes of each request so far. */
  readonly requests: readonly {
    readonly method: string;
    readonly scopes: readonly string[];
    readonly user: string;
  }[];
  /** False: only GET, as old servers have it. */
  takesPost: boolean;
  close(): Promise<void>;
}

export interface TokenServerOptions {
  readonly service: string;
  readonly issuer: string;
  /** PEM of an RSA key, and DER of its certificate in base64: what the registry trusts. */
  readonly key: string;
  readonly certificate: string;
  readonly users: Readonly<Record<string, string>>;
  /** What a user (`""`: anonymous) may do in a repository. */
  readonly allows: (user: string, repository: string) => readonly string[];
}

interface Asked {
  readonly user: string;
  readonly password: string;
  readonly scopes: readonly string[];
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** A JWT as distribution's token authentication wants it. */
function sign(options: TokenServerOptions, { user, scopes }: Asked): string {
  const access = scopes.flatMap((scope) => {
    const [type = "", ...rest] = scope.split(":");
    const wanted = (rest.pop() ?? "").split(",");
    const name = rest.join(":");
    const allowed = options.allows(user, name);
    const actions = wanted.filter((action) => allowed.includes(action));
    return actions.length === 0 ? [] : [{ type, name, actions }];
  });
  const now = Math.floor(Date.now() / 1000);
  const times = { iat: now, nbf: now - 10, exp: now + 300 };
  const { issuer, service } = options;
  const claims = { iss: issuer, sub: user, aud: service, jti: randomUUID(), access, ...times };
  const signed = `${encode({ typ: "JWT", alg: "RS256", x5c: [options.certificate] })}.${encode(claims)}`;
  return `${signed}.${createSign("RSA-SHA256").update(signed).sign(options.key).toString("base64url")}`;
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

async function askedBy(incoming: IncomingMessage): Promise<Asked> {
  if (incoming.method === "POST") {
    const form = new URLSearchParams(await bodyOf(incoming));
    const scopes = (form.get("scope") ?? "").split(" ").filter((scope) => scope !== "");
    return { user: form.get("username") ?? "", password: form.get("password") ?? "", scopes };
  }
  const basic = Buffer.from((incoming.headers.authorization ?? "").replace(/^Basic /, ""), "base64");
  const [user = "", password = ""] = basic.toString("utf8").split(":");
  const scopes = new URL(incoming.url ?? "", "http://x").searchParams.getAll("scope");
  return { user, password, scopes };
}

/** Gives out tokens that a docker-registry with `auth.token` accepts. */
export async function startTokenServer(options: TokenServerOptions): Promise<TokenServer> {
  const requests: TokenServer["requests"][number][] = [];
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const running: TokenServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    requests,
    takesPost: true,
    close: () => new Promise((resolve) => void server.close(() => resolve())),
  };
  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const asked = await askedBy(incoming);
    requests.push({ method: incoming.method ?? "", scopes: asked.scopes, user: asked.user });
    if (incoming.method === "POST" && !running.takesPost) response.writeHead(405).end();
    else if (asked.user !== "" && options.users[asked.user] !== asked.password) response.writeHead(401).end();
    else response.end(JSON.stringify({ token: sign(options, asked), expires_in: 300 }));
  };
  server.on("request", (incoming, response) => void answer(incoming, response));
  return running;
}
