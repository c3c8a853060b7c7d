import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSelfSigned } from "./certificate.ts";
import { GitServer, git, type ServedRepository } from "./git-server.ts";
import { missing, run, World } from "./world.ts";

const reason = missing("git", "tar");
if (reason !== undefined) console.log(`skipped: git sources: ${reason}`);

const noCertificates = missing("openssl");
if (noCertificates !== undefined) console.log(`skipped: git over TLS: ${noCertificates}`);

const COPY_ALL = "FROM scratch\nCOPY . /\n";

describe.skipIf(reason !== undefined)("git", () => {
  const world = new World();
  let outputs = 0;
  const server = new GitServer(world.path("served"));

  beforeAll(() => server.start());
  afterAll(async () => {
    await server.close();
    world.close();
  });

  const built: World["files"] = (args, env) => world.files(args, env);
  const failed: World["failedBuild"] = (args, env) => world.failedBuild(args, env);

  function text(folder: string, path: string): string {
    return readFileSync(join(folder, path), "utf8");
  }

  describe("as context (X004)", () => {
    let repository: ServedRepository;
    let first: string;

    beforeAll(() => {
      repository = server.repository("app");
      first = repository.commit({
        Dockerfile: COPY_ALL,
        "a.txt": "one",
        "left.txt": "left out by the ignore file",
        ".dockerignore": "left.txt\n",
        ".gitattributes": "a.txt export-ignore\nsubst export-subst\n",
        subst: "$Format:%H$",
        "sub/Dockerfile": "FROM scratch\nCOPY f /in-sub\n",
        "sub/f": "f",
        outside: { link: "/etc/hostname" },
      });
      repository.git("tag", "-a", "v1", "-m", "first");
      repository.git("update-ref", "refs/pull/7/head", first);
      repository.commit({ "a.txt": "two" });
    });

    test.each([
      ["", "two"],
      ["#main", "two"],
      ["#v1", "one"],
      ["#refs/tags/v1", "one"],
      ["#pull/7/head", "one"],
      ["?tag=v1", "one"],
      ["?branch=main&fetch-by-commit=1", "two"],
    ])("the reference %j", async (suffix, expected) => {
      const out = await built([`${repository.url}${suffix}`]);
      expect(text(out, "a.txt")).toBe(expected);
      // What a checkout has, whatever the attributes say about archives.
      expect(text(out, "subst")).toBe("$Format:%H$");
      expect(existsSync(join(out, ".git"))).toBe(false);
    });

    test("a commit, also one that no name leads to shortly", async () => {
      expect(text(await built([`${repository.url}#${first}`]), "a.txt")).toBe("one");
    });

    test("its .dockerignore counts, unless told otherwise (W008)", async () => {
      expect(existsSync(join(await built([repository.url]), "left.txt"))).toBe(false);
      expect(existsSync(join(await built(["--no-dockerignore", repository.url]), "left.txt"))).toBe(true);
    });

    test("a folder of it, and another Dockerfile in it", async () => {
      expect(text(await built([`${repository.url}#main:sub`]), "in-sub")).toBe("f");
      // `sub/Dockerfile` copies f from the top, where there is none.
      const { stderr } = await failed(["-f", "sub/Dockerfile", repository.url]);
      expect(stderr).toContain(`"/f": not found in the build context "${repository.url}"`);
    });

    test("as named context and as --from", async () => {
      const folder = world.context("named", { Dockerfile: "FROM scratch\nCOPY --from=src a.txt /b\n" });
      const out = await built(["--build-context", `src=${repository.url}#v1`, folder]);
      expect(text(out, "b")).toBe("one");
      // Forms without a scheme are URLs, too, and no folders.
      for (const place of ["git@127.0.0.1:app.git", "github.com/tsbuild-test/none"]) {
        const { stderr } = await failed(["--offline", "--build-context", `src=${place}`, folder]);
        expect(stderr).toContain("is not known here, and the build is offline");
      }
    });

    test("a link in it leads nowhere out of it", async () => {
      const { stderr } = await failed(["-f", "outside", repository.url]);
      expect(stderr).toContain('the context has no Dockerfile "outside"');
    });

    test("SOURCE_DATE_EPOCH=context is the time of the commit (D056)", async () => {
      const timed = server.repository("timed");
      timed.commit({ Dockerfile: COPY_ALL, "a.txt": "timed" });
      const out = await built(["--build-arg", "SOURCE_DATE_EPOCH=context", timed.url]);
      expect(statSync(join(out, "a.txt")).mtimeMs).toBe(Date.parse("2001-02-03T04:05:06Z"));
    });

    test("a branch that moves is seen; the same commit is not fetched again", async () => {
      const moving = server.repository("moving");
      moving.commit({ Dockerfile: COPY_ALL, a: "1" });
      expect(text(await built([moving.url]), "a")).toBe("1");
      server.requests.length = 0;
      expect(text(await built([moving.url]), "a")).toBe("1");
      expect(server.requests.map(({ url }) => url)).toEqual([
        "/moving.git/info/refs?service=git-upload-pack",
        "/moving.git/git-upload-pack",
      ]);
      moving.commit({ a: "2" });
      expect(text(await built(["--offline", moving.url]), "a")).toBe("1");
      expect(text(await built([moving.url]), "a")).toBe("2");
    });

    test("two builds at once, and what a killed one left, do no harm", async () => {
      const shared = server.repository("shared");
      shared.commit({ Dockerfile: COPY_ALL, a: "1" });
      const both = await Promise.all([built([shared.url]), built([shared.url])]);
      expect(both.map((out) => text(out, "a"))).toEqual(["1", "1"]);
      const commit = shared.commit({ a: "2" });
      const caches = join(world.root, "git");
      for (const cache of readdirSync(caches))
        for (const name of ["shallow", "refs/tsbuild/incoming", `refs/tsbuild/${commit}`])
          if (existsSync(dirname(join(caches, cache, name))))
            writeFileSync(join(caches, cache, `${name}.lock`), "");
      expect(text(await built([shared.url]), "a")).toBe("2");
    });

    test("offline, what was never asked for is an error that names the host", async () => {
      const { stderr } = await failed(["--offline", `${repository.url}#never`]);
      expect(stderr).toContain(`${server.host} would be asked`);
    });

    test.each([
      ["#nope", 'has no branch or tag "nope"'],
      ["#:nowhere", 'has no folder "nowhere" at commit'],
      ["?checksum=0123", "and 0123 was expected"],
      ["?ref=a#b", "gives the reference as b and as a"],
      ["?colour=red", 'a git URL has no query "colour"'],
      ["#--upload-pack=touch%20x", "is not a name that git has for a commit"],
      [`#${"1".repeat(40)}`, `has no commit ${"1".repeat(40)}`],
    ])("%s is an error", async (suffix, message) => {
      const { stderr } = await failed([`${repository.url}${suffix}`]);
      expect(stderr).toContain(message);
    });

    test("without git the error says what to install", async () => {
      mkdirSync(world.path("no-git"));
      const { stderr } = await failed([`${repository.url}#v1`], { PATH: world.path("no-git") });
      expect(stderr).toContain("git is not installed");
      expect(stderr).toContain("apt install git");
    });
  });

  describe("by ADD (D112)", () => {
    test("--keep-git-dir, --checksum, and cached as long as the commit is the same", async () => {
      const repository = server.repository("added");
      const commit = repository.commit({ file: "content", ".gitignore": "x\n" });
      const flags = `--keep-git-dir=true --checksum=${commit.slice(0, 12)}`;
      const folder = world.context("add", {
        Dockerfile: `FROM scratch\nADD ${flags} ${repository.url}#main /src\n`,
      });
      const out = await built([folder]);
      expect(text(out, "src/file")).toBe("content");
      expect(git(join(out, "src"), "-c", "safe.directory=*", "status", "--porcelain")).toBe("");
      expect(git(join(out, "src"), "-c", "safe.directory=*", "rev-parse", "HEAD")).toBe(commit);
      expect(await world.build(folder)).toContain("CACHED");
      repository.commit({ file: "changed" });
      const { stderr } = await failed([folder]);
      expect(stderr).toContain(`and ${commit.slice(0, 12)} was expected`);
      expect(stderr).toContain("Dockerfile:2");
    });
  });

  describe("submodules", () => {
    test("come along, nested and by relative URL; and may be left out", async () => {
      const deepest = server.repository("deepest");
      deepest.commit({ deepest: "3" });
      const inner = server.repository("inner");
      inner.commit({ inner: "2" });
      inner.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", deepest.folder, "deep");
      inner.git("config", "-f", ".gitmodules", "submodule.deep.url", "../deepest.git");
      inner.commit({});
      const outer = server.repository("outer");
      outer.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", inner.folder, "lib/inner");
      outer.git("config", "-f", ".gitmodules", "submodule.lib/inner.url", inner.url);
      outer.commit({ Dockerfile: COPY_ALL });
      const out = await built([outer.url]);
      expect([text(out, "lib/inner/inner"), text(out, "lib/inner/deep/deepest")]).toEqual(["2", "3"]);
      const without = await built([`${outer.url}?submodules=false`]);
      expect(existsSync(join(without, "lib/inner/inner"))).toBe(false);
    });

    test.each([
      ["file:///etc", "is not a git URL"],
      ["ext::sh -c touch% /tmp/tsbuild-pwned", "is not a git URL"],
      ["--upload-pack=touch /tmp/tsbuild-pwned", "disallowed submodule url"],
      [undefined, "has no URL in .gitmodules"],
    ])("with the URL %j are refused", async (url, message) => {
      const name = `hostile-${outputs++}`;
      const hostile = server.repository(name);
      hostile.commit({ Dockerfile: COPY_ALL });
      hostile.git("update-index", "--add", "--cacheinfo", `160000,${"1".repeat(40)},sub`);
      if (url !== undefined) {
        writeFileSync(
          join(hostile.folder, ".gitmodules"),
          `[submodule "sub"]\n\tpath = sub\n\turl = "${url}"\n`,
        );
        hostile.git("add", ".gitmodules");
      }
      hostile.git("commit", "-q", "-m", "hostile");
      const { stderr } = await failed([hostile.url]);
      expect(stderr).toContain(message);
      expect(existsSync("/tmp/tsbuild-pwned")).toBe(false);
    });
  });

  test("a tree with an entry .git is refused, by git's own check or by ours", async () => {
    const hostile = server.repository("dotgit");
    hostile.commit({ Dockerfile: COPY_ALL });
    const blob = hostile.git("hash-object", "-w", "Dockerfile");
    const listing = `100644 blob ${blob}\tDockerfile\n120000 blob ${blob}\t.git\n`;
    const made = await run("git", ["mktree"], { cwd: hostile.folder, input: listing });
    const commit = hostile.git("commit-tree", made.stdout.trim(), "-m", "hostile");
    hostile.git("update-ref", "refs/heads/main", commit);
    const { stderr } = await failed([hostile.url]);
    expect(stderr).toMatch(/hasDotgit|which git forbids/);
  });

  describe("credentials", () => {
    let secret: ServedRepository;
    const TOKEN = "t0ken-that-nobody-may-see";

    beforeAll(() => {
      secret = server.repository("secret");
      secret.commit({ Dockerfile: COPY_ALL, a: "secret" });
    });

    async function guarded<T>(login: string, work: () => Promise<T>): Promise<T> {
      server.login = login;
      server.requests.length = 0;
      try {
        return await work();
      } finally {
        server.login = undefined;
        server.redirect = undefined;
      }
    }

    test("without any, the error says how to give some", async () => {
      await guarded(`x-access-token:${TOKEN}`, async () => {
        const { stderr } = await failed([secret.url]);
        expect(stderr).toContain("the server wants a login");
        expect(stderr).toContain(`--secret id=GIT_AUTH_TOKEN.${server.host},env=TOKEN`);
      });
    });

    test.each(["GIT_AUTH_TOKEN", "GIT_AUTH_TOKEN.HOST"])("the secret %s", async (id) => {
      await guarded(`x-access-token:${TOKEN}`, async () => {
        const named = id.replace("HOST", server.host);
        const out = await built(["--secret", `id=${named},env=T`, secret.url], { T: TOKEN });
        expect(text(out, "a")).toBe("secret");
      });
    });

    test("never appear in an argument, a log or the state folder", async () => {
      const log = world.path("argv");
      const wrapper = world.path("wrapper");
      mkdirSync(wrapper, { recursive: true });
      const real = (await run("sh", ["-c", "command -v git"])).stdout.trim();
      writeFileSync(join(wrapper, "git"), `#!/bin/sh\necho "$@" >> ${log}\nexec ${real} "$@"\n`);
      chmodSync(join(wrapper, "git"), 0o755);
      await guarded(`someone:${TOKEN}`, async () => {
        const url = secret.url.replace("http://", `http://someone:${TOKEN}@`);
        const env = { PATH: `${wrapper}:${process.env["PATH"]}` };
        const args = ["build", "--progress=plain", "-o", "type=cacheonly", `${url}?keep-git-dir=1`];
        const { stderr } = await world.ok(args, { env });
        expect(stderr).not.toContain(TOKEN);
      });
      expect(readFileSync(log, "utf8")).toContain("fetch");
      expect(readFileSync(log, "utf8")).not.toContain(TOKEN);
      expect((await run("grep", ["-rlF", TOKEN, world.root])).stdout).toBe("");
    });

    test("do not follow a redirect", async () => {
      const other = new GitServer(world.path("other"));
      await other.start();
      try {
        await guarded(`x-access-token:${TOKEN}`, async () => {
          server.redirect = { prefix: "/secret.git", to: `http://${other.host}/secret.git` };
          const { stderr } = await failed(["--secret", "id=GIT_AUTH_TOKEN,env=T", secret.url], { T: TOKEN });
          expect(stderr).not.toContain(TOKEN);
          expect(other.requests).toEqual([]);
        });
      } finally {
        await other.close();
      }
    });
  });

  test.skipIf(noCertificates !== undefined)("over TLS: from who shows a trusted certificate", async () => {
    const { key, cert } = await createSelfSigned(world.path("git"));
    const secure = new GitServer(world.path("secure"), {
      key: readFileSync(key),
      cert: readFileSync(cert),
    });
    await secure.start();
    try {
      const repository = secure.repository("app");
      repository.commit({ Dockerfile: COPY_ALL, a: "over TLS" });
      const { stderr } = await failed([repository.url]);
      expect(stderr).toMatch(/certificate(?:.|\n)*GIT_SSL_CAINFO=FILE/);
      expect(secure.requests).toEqual([]);
      expect(text(await built([repository.url], { GIT_SSL_CAINFO: cert }), "a")).toBe("over TLS");
    } finally {
      await secure.close();
    }
  });
});
