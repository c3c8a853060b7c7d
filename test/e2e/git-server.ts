import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";

const IDENTITY = {
  GIT_AUTHOR_NAME: "Ada",
  GIT_AUTHOR_EMAIL: "ada@example.org",
  GIT_COMMITTER_NAME: "Ada",
  GIT_COMMITTER_EMAIL: "ada@example.org",
  GIT_AUTHOR_DATE: "2001-02-03T04:05:06Z",
  GIT_COMMITTER_DATE: "2001-02-03T04:05:06Z",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
};

export function git(folder: string, ...args: readonly string[]): string {
  const env = { ...process.env, ...IDENTITY };
  return execFileSync("git", args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] })
    .toString()
    .trim();
}

export type Files = Readonly<Record<string, string | { readonly link: string }>>;

/** A repository with a working folder, served by a GitServer. */
export class ServedRepository {
  readonly folder: string;
  readonly url: string;

  constructor(folder: string, url: string) {
    this.folder = folder;
    this.url = url;
  }

  /** Writes files and commits everything; returns the commit. */
  commit(files: Files): string {
    for (const [path, content] of Object.entries(files)) {
      const at = join(this.folder, path);
      mkdirSync(dirname(at), { recursive: true });
      if (typeof content === "string") writeFileSync(at, content);
      else symlinkSync(content.link, at);
    }
    git(this.folder, "add", "-A");
    git(this.folder, "commit", "-q", "-m", "change");
    return git(this.folder, "rev-parse", "HEAD");
  }

  git(...args: readonly string[]): string {
    return git(this.folder, ...args);
  }
}

/** Serves the repositories of a folder by git's own CGI program. */
export class GitServer {
  readonly root: string;
  readonly #server: Server;
  /** `user:password` that requests must have; undefined: none. */
  login: string | undefined;
  /** Paths below this prefix are answered with a redirect to another URL. */
  redirect: { readonly prefix: string; readonly to: string } | undefined;
  /** Path, query and Authorization of each request. */
  readonly requests: { readonly url: string; readonly authorization: string | undefined }[] = [];

  readonly #scheme: "http" | "https";

  /** With a key and a certificate (PEM) it speaks TLS. */
  constructor(root: string, tls?: { readonly key: Buffer; readonly cert: Buffer }) {
    this.root = root;
    mkdirSync(root, { recursive: true });
    const answer = this.#answer.bind(this);
    this.#server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
    this.#scheme = tls === undefined ? "http" : "https";
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  repository(name: string): ServedRepository {
    const folder = join(this.root, `${name}.git`);
    mkdirSync(folder);
    git(folder, "init", "-q", "-b", "main");
    return new ServedRepository(folder, `${this.#scheme}://${this.host}/${name}.git`);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { authorization } = request.headers;
    const url = request.url ?? "/";
    this.requests.push({ url, authorization });
    if (this.redirect !== undefined && url.startsWith(this.redirect.prefix)) {
      response.writeHead(302, { location: this.redirect.to + url.slice(this.redirect.prefix.length) }).end();
      return;
    }
    const expected = this.login === undefined ? undefined : Buffer.from(this.login).toString("base64");
    if (expected !== undefined && authorization?.toLowerCase() !== `basic ${expected}`.toLowerCase()) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
      return;
    }
    this.#backend(request, response);
  }

  #backend(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, search } = new URL(request.url ?? "/", "http://h");
    const env = {
      ...process.env,
      ...IDENTITY,
      GIT_PROJECT_ROOT: this.root,
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: pathname.replace(/^(\/[^/]+\.git)/, "$1/.git"),
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
      REMOTE_ADDR: "127.0.0.1",
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "safe.directory",
      GIT_CONFIG_VALUE_0: "*",
    };
    const child = spawn("git", ["http-backend"], { env, stdio: ["pipe", "pipe", "ignore"] });
    request.pipe(child.stdin);
    child.stdin.on("error", () => undefined);
    let head: Buffer | undefined = Buffer.alloc(0);
    child.stdout.on("data", (chunk: Buffer) => {
      if (head === undefined) {
        response.write(chunk);
        return;
      }
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      const headers = head
        .toString("latin1", 0, end)
        .split("\r\n")
        .map((line) => line.split(": "));
      const status = headers.find(([name]) => name === "Status")?.[1];
      response.writeHead(
        status === undefined ? 200 : Number.parseInt(status, 10),
        Object.fromEntries(headers.filter(([name]) => name !== "Status")) as Record<string, string>,
      );
      response.write(head.subarray(end + 4));
      head = undefined;
    });
    child.on("close", () => response.end());
  }
}
