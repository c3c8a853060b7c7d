import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { GitServer, type ServedRepository } from "./git-server.ts";
import { importBusybox, missing, World } from "./world.ts";

const reason = missing("git", "tar", "gzip", "busybox");
if (reason !== undefined) console.log(`skipped: URLs, policies and locks: ${reason}`);

interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Authorization that is asked for. */
  readonly login?: string;
}

/** Files by path, and what was asked. */
class FileServer {
  readonly files = new Map<string, Answer>();
  readonly requests: { readonly url: string; readonly authorization: string | undefined }[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const { authorization } = request.headers;
      this.requests.push({ url: request.url ?? "", authorization });
      const { status = 200, headers, body, login } = this.files.get(request.url ?? "") ?? { status: 404 };
      if (login !== undefined && authorization !== login) response.writeHead(401).end();
      else response.writeHead(status, headers).end(body);
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  url(path: string): string {
    return `http://${this.host}${path}`;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

function sha256(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

describe.skipIf(reason !== undefined)("sources", () => {
  const world = new World();
  let outputs = 0;
  const server = new FileServer();
  const repositories = new GitServer(world.path("served"));
  let repository: ServedRepository;

  beforeAll(async () => {
    await Promise.all([server.start(), repositories.start(), importBusybox(world)]);
    repository = repositories.repository("app");
    repository.commit({ file: "one" });
  });
  afterEach(() => {
    server.requests.length = 0;
  });
  afterAll(async () => {
    await Promise.all([server.close(), repositories.close()]);
    world.close();
  });

  const built: World["files"] = (args, env) => world.files(args, env);
  const failed: World["failedBuild"] = (args, env) => world.failedBuild(args, env);

  function text(folder: string, path: string): string {
    return readFileSync(join(folder, path), "utf8");
  }

  describe("URLs (C001, X005)", () => {
    test("an archive is the context, by content, with its ignore file (W008)", async () => {
      const folder = world.context("archived", {
        Dockerfile: "FROM scratch\nCOPY . /\n",
        a: "a",
        b: "b",
        ".dockerignore": "b\n",
        "other.Dockerfile": "FROM scratch\nCOPY a /other\n",
      });
      server.files.set("/context", { body: execFileSync("tar", ["-C", folder, "-cz", "."]) });
      const out = await built([server.url("/context")]);
      expect([text(out, "a"), existsSync(join(out, "b"))]).toEqual(["a", false]);
      expect(text(await built(["--no-dockerignore", server.url("/context")]), "b")).toBe("b");
      expect(text(await built(["-f", "other.Dockerfile", server.url("/context")]), "other")).toBe("a");
    });

    test("anything else is the Dockerfile; -f takes a URL, too", async () => {
      server.files.set("/Dockerfile", { body: "FROM scratch\nCOPY <<EOF /f\nfrom a URL\nEOF\n" });
      expect(text(await built([server.url("/Dockerfile")]), "f")).toBe("from a URL\n");
      server.files.set("/other", { body: "FROM scratch\nCOPY here /there\n" });
      const folder = world.context("with-url", { here: "here" });
      expect(text(await built(["-f", server.url("/other"), folder]), "there")).toBe("here");
    });

    test("SOURCE_DATE_EPOCH may be a stage with a download or a repository, asked anew each time (D056)", async () => {
      const stage = (source: string) =>
        `FROM scratch AS when\nADD ${source} /\nFROM scratch\nCOPY <<EOF /f\n${source}\nEOF\n`;
      const args = ["--build-arg", "SOURCE_DATE_EPOCH=when"];
      const created = async (folder: string): Promise<string> => {
        await world.ok([
          "build",
          "--progress=none",
          ...args,
          "-o",
          `type=oci,tar=false,dest=${folder}-oci`,
          folder,
        ]);
        const layout = `${folder}-oci`;
        const blob = (digest: string): string =>
          text(layout, `blobs/sha256/${digest.slice("sha256:".length)}`);
        const index = JSON.parse(text(layout, "index.json")) as { manifests: { digest: string }[] };
        const manifest = JSON.parse(blob(index.manifests[0]!.digest)) as { config: { digest: string } };
        return (JSON.parse(blob(manifest.config.digest)) as { created: string }).created;
      };
      const download = world.context("when-download", { Dockerfile: stage(server.url("/when")) });
      server.files.set("/when", { body: "1", headers: { "last-modified": "Sat, 03 Feb 2001 04:05:06 GMT" } });
      expect(await created(download)).toMatch(/^2001-02-03T04:05:06/);
      server.files.set("/when", { body: "2", headers: { "last-modified": "Sun, 03 Feb 2002 04:05:06 GMT" } });
      expect(await created(download)).toMatch(/^2002-02-03T04:05:06/);
      expect(await created(world.context("when-git", { Dockerfile: stage(repository.url) }))).toMatch(
        /^2001-02-03T04:05:06/,
      );
    });

    test("what is not there is told without talk of tags", async () => {
      const { stderr } = await failed([server.url("/missing")]);
      expect(stderr).toContain("answered 404");
      expect(stderr).toContain("check the URL");
      expect(stderr).not.toContain("tag");
    });

    test("offline, what was downloaded before is used, the rest names its host (W026)", async () => {
      server.files.set("/kept", { body: "FROM scratch\nCOPY <<EOF /f\nkept\nEOF\n" });
      await built([server.url("/kept")]);
      server.requests.length = 0;
      expect(text(await built(["--offline", server.url("/kept")]), "f")).toBe("kept\n");
      const { stderr } = await failed(["--offline", server.url("/never")]);
      expect(stderr).toContain(`${server.host} would be asked`);
      expect(server.requests).toEqual([]);
    });

    test.each([
      ["HTTP_AUTH_TOKEN", "Bearer s3cret"],
      ["HTTP_AUTH_HEADER", "s3cret"],
    ])("%s_host logs in, and is not sent to where a redirect leads (D111)", async (name, login) => {
      const other = new FileServer();
      await other.start();
      try {
        server.files.set(`/${name}`, { body: name, login });
        server.files.set(`/${name}-moved`, { status: 302, headers: { location: other.url("/away") }, login });
        other.files.set("/away", { body: "away" });
        const add = (path: string) =>
          world.context(`auth-${outputs}`, { Dockerfile: `FROM scratch\nADD ${server.url(path)} /f\n` });
        const secret = ["--secret", `id=${name}_${server.host},env=S`];
        expect(text(await built([...secret, add(`/${name}`)], { S: "s3cret" }), "f")).toBe(name);
        expect(text(await built([...secret, add(`/${name}-moved`)], { S: "s3cret" }), "f")).toBe("away");
        expect(other.requests).toEqual([{ url: "/away", authorization: undefined }]);
        const { stderr } = await failed([add(`/${name}`)]);
        expect(stderr).toContain(`HTTP_AUTH_TOKEN_${server.host}`);
        expect(stderr).not.toContain("s3cret");
      } finally {
        await other.close();
      }
    });
  });

  describe("policies (X009)", () => {
    function policy(...rules: readonly unknown[]): string {
      const path = world.path(`policy-${outputs++}.json`);
      writeFileSync(path, JSON.stringify({ rules }));
      return path;
    }
    const deny = (identifier: string) => ({ action: "DENY", selector: { identifier } });

    test("deny bases, downloads, repositories and contexts, before anything is asked", async () => {
      server.files.set("/f", { body: "f" });
      const from = world.context("deny-from", { Dockerfile: "FROM busybox\nRUN true\n" });
      const base = await failed(["--source-policy", policy(deny("docker-image://*busybox*")), from]);
      expect(base.stderr).toContain(
        "the source policy denies docker-image://docker.io/library/busybox:latest",
      );
      expect(base.stderr).toContain("Dockerfile:1");
      const add = world.context("deny-add", { Dockerfile: `FROM scratch\nADD ${server.url("/f")} /\n` });
      const env = { EXPERIMENTAL_BUILDKIT_SOURCE_POLICY: policy(deny("http://*")) };
      const download = await failed([add], env);
      expect(download.stderr).toContain(`denies ${server.url("/f")}`);
      expect(download.stderr).toContain("Dockerfile:2");
      repositories.requests.length = 0;
      const git = await failed(["--source-policy", policy(deny("git://*")), repository.url]);
      expect(git.stderr).toContain("the source policy denies git://");
      const local = await failed([
        "--source-policy",
        policy(deny("local://*")),
        world.context("deny-local", { Dockerfile: "FROM scratch\nCOPY Dockerfile /\n" }),
      ]);
      expect(local.stderr).toContain("denies local://context");
      expect([server.requests, repositories.requests]).toEqual([[], []]);
    });

    test("convert: another base, another file", async () => {
      await world.ok([
        "build",
        "--progress=none",
        "-t",
        "replacement",
        world.context("replacement", { Dockerfile: "FROM busybox\nRUN echo replaced > /who\n" }),
      ]);
      server.files.set("/right", { body: "right" });
      const folder = world.context("convert", {
        Dockerfile: `FROM busybox AS b\nRUN cat /who > /out\nFROM scratch\nCOPY --from=b /out /out\nADD ${server.url("/wrong")} /add\n`,
      });
      const rules = policy(
        {
          action: "CONVERT",
          selector: { identifier: "docker-image://docker.io/library/busybox:latest", matchType: "EXACT" },
          updates: { identifier: "docker-image://docker.io/library/replacement:latest" },
        },
        {
          action: "CONVERT",
          selector: { identifier: "^(http://.*)/wrong$", matchType: "REGEX" },
          updates: { identifier: "$1/right", attrs: { "http.checksum": sha256("right") } },
        },
      );
      const out = await built(["--source-policy", rules, folder]);
      expect([text(out, "out"), text(out, "add")]).toEqual(["replaced\n", "right"]);
    });

    test("one that cannot be read does not allow everything", async () => {
      const folder = world.context("broken-policy", { Dockerfile: "FROM scratch\n" });
      expect((await failed(["--source-policy", world.path("none.json"), folder])).stderr).toContain(
        "cannot be read",
      );
    });
  });

  describe("tsbuild.lock (W025)", () => {
    function context(name: string): string {
      server.files.set(`/${name}`, { body: "first" });
      return world.context(name, {
        Dockerfile: `FROM busybox\nADD ${server.url(`/${name}`)} /add\nADD ${repository.url} /git\n`,
      });
    }

    test("is written, holds every source, and makes them what they were", async () => {
      const folder = context("locked");
      const lock = join(folder, "tsbuild.lock");
      expect((await failed(["--locked", folder])).stderr).toContain("tsbuild build --update-lock");
      await world.ok(["build", "--progress=none", "--update-lock", folder]);
      const content = JSON.parse(readFileSync(lock, "utf8")) as Record<string, Record<string, unknown>>;
      expect(Object.keys(content["images"]!)).toEqual(["docker.io/library/busybox:latest"]);
      expect(content["http"]).toEqual({ [server.url("/locked")]: sha256("first") });
      expect(content["git"]).toEqual({ [repository.url]: repository.git("rev-parse", "HEAD") });
      const first = await built(["--locked", folder]);
      repository.commit({ file: `changed ${outputs}` });
      expect(text(await built([folder]), "git/file")).toBe(text(first, "git/file"));
      expect(await world.build(folder)).toContain(`[internal] use ${lock}`);
      server.files.set("/locked", { body: "second" });
      const { stderr } = await failed([folder]);
      expect(stderr).toContain(`expected ${sha256("first")}, got ${sha256("second")}`);
      expect(stderr).toContain("it is not what tsbuild.lock says");
      writeFileSync(lock, readFileSync(lock, "utf8").replace(/"[0-9a-f]{40}"/, `"${"0".repeat(40)}"`));
      server.files.set("/locked", { body: "first" });
      const wrongCommit = await failed([folder]);
      expect(wrongCommit.stderr).toContain(`has no commit ${"0".repeat(40)}`);
      expect(wrongCommit.stderr).toContain("it is what tsbuild.lock says");
      server.files.set("/locked", { body: "second" });
      await world.ok(["build", "--progress=none", "--update-lock", folder]);
      const second = await built(["--locked", folder]);
      expect([text(second, "add"), text(second, "git/file")]).toEqual([
        "second",
        repository.git("show", "HEAD:file"),
      ]);
    });

    test("--locked refuses a source that it lacks, and says what to type", async () => {
      const folder = context("lacking");
      await world.ok(["build", "--progress=none", "--update-lock", folder]);
      server.files.set("/new", { body: "new" });
      writeFileSync(join(folder, "Dockerfile"), `FROM scratch\nADD ${server.url("/new")} /\n`);
      const { stderr } = await failed(["--locked", folder]);
      expect(stderr).toContain(`${server.url("/new")} is not in tsbuild.lock`);
      expect(stderr).toContain("tsbuild build --update-lock");
      await built([folder]);
    });

    test("a damaged one is an error, not an empty one", async () => {
      const folder = context("damaged");
      writeFileSync(join(folder, "tsbuild.lock"), "<<<<<<< ours\n");
      expect((await failed([folder])).stderr).toContain("it has conflict markers");
      expect((await failed(["--locked", "--update-lock", folder])).stderr).toContain("contradict each other");
    });
  });
});
