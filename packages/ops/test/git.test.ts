import { hideCredentials } from "@tsbuild/base";
import { describe, expect, test } from "vitest";
import { GitFailure } from "../src/git/command.ts";
import { remoteFailure } from "../src/git/failure.ts";
import { readListing, submoduleUrl, submoduleUrls } from "../src/git/listing.ts";
import { login } from "../src/git/login.ts";
import { type GitRequest, gitRequest, hostOf } from "../src/git/request.ts";
import { checkCommit, pickRef } from "../src/git/resolve-ref.ts";

const [a, b, c] = ["a", "b", "c"].map((digit) => digit.repeat(40)) as [string, string, string];

function request(identifier: string, attrs: Readonly<Record<string, string>> = {}): GitRequest {
  return gitRequest({ identifier, attrs });
}

describe("requests", () => {
  test("of an op with everything", () => {
    const attrs = {
      "git.fullurl": "ssh://git@h:22/r.git",
      "git.keepgitdir": "true",
      "git.skipsubmodules": "true",
    };
    expect(
      request("git://h/r.git#v1:/a/./b", { ...attrs, "git.mtime": "commit", "git.checksum": "ABC" }),
    ).toMatchObject({
      url: "ssh://git@h:22/r.git",
      ref: "v1",
      subdir: "a/b",
      checksum: "abc",
      keepGitDir: true,
      submodules: false,
      mtime: "commit",
    });
    expect(request("git://h/r.git")).toMatchObject({
      url: "https://h/r.git",
      ref: "",
      subdir: "",
      submodules: true,
    });
  });

  test.each(["--upload-pack=x", "a..b", "a b", "a~1", "a^{}", "@{u}", "a\nb", "x.lock", "/x"])(
    "the ref %j is refused",
    (ref) => {
      expect(() => request(`git://h/r.git#${ref}`)).toThrow("is not a name that git has");
    },
  );

  test.each([
    "ext::sh -c id",
    "file:///etc",
    "/etc",
    "--upload-pack=x",
    "-oProxyCommand=x@h:p",
    "ssh://-oProxyCommand=x/p",
    "fd::3",
    "https://h/a b",
  ])("the URL %j is refused", (url) => {
    expect(() => request("git://h/r.git", { "git.fullurl": url })).toThrow("is not a git URL");
  });

  test("a login is refused where the protocol has none: git would show it as the host", () => {
    expect(() => request("git://h/r.git", { "git.fullurl": "git://me:hunter2@h/r.git" })).toThrow(
      "git://***@h/r.git: the git protocol has no login",
    );
  });

  test("a folder outside is refused", () => {
    expect(() => request("git://h/r.git#main:../x")).toThrow("leads out of the repository");
  });

  test.each([
    ["https://u:p@h/r.git", "https://***@h/r.git", "h"],
    ["https://token@h:8443/r.git", "https://***@h:8443/r.git", "h:8443"],
    ["ssh://git@h/r.git", "ssh://git@h/r.git", "h"],
    ["git@h:o/r.git", "git@h:o/r.git", "h"],
  ])("%s is shown as %s", (url, shown, host) => {
    expect([hideCredentials(url), hostOf(url).host]).toEqual([shown, host]);
  });
});

describe("refs", () => {
  const listing = [
    `${a}\tHEAD`,
    `${a}\trefs/heads/main`,
    `${b}\trefs/heads/both`,
    `${c}\trefs/tags/both`,
    `${c}\trefs/tags/v1`,
    `${a}\trefs/tags/v1^{}`,
    `${b}\trefs/pull/1/head`,
    "rubbish",
  ].join("\n");

  test.each([
    ["", a, "HEAD"],
    ["main", a, "refs/heads/main"],
    ["both", b, "refs/heads/both"],
    ["refs/tags/both", c, "refs/tags/both"],
    ["tags/both", c, "refs/tags/both"],
    ["v1", a, "refs/tags/v1"],
    ["refs/pull/1/head", b, "refs/pull/1/head"],
    ["pull/1/head", b, "refs/pull/1/head"],
  ])("%j", (ref, commit, name) => {
    expect(pickRef(listing, request(`git://h/r.git#${ref}`))).toMatchObject({ commit, name });
  });

  test("one that is not there", () => {
    expect(() => pickRef(listing, request("git://h/r.git#nope"))).toThrow('has no branch or tag "nope"');
    expect(() => pickRef("", request("git://h/r.git"))).toThrow("has no HEAD");
  });

  test("a checksum is the beginning of the commit or of the tag", () => {
    const resolved = { commit: a, name: "refs/tags/v1", tag: c };
    for (const checksum of ["", "aaa", "cccc", a])
      checkCommit(resolved, { ...request("git://h/r.git"), checksum });
    expect(() => checkCommit(resolved, { ...request("git://h/r.git"), checksum: "ab" })).toThrow(
      "ab was expected",
    );
  });
});

describe("trees", () => {
  const entry = (mode: string, path: string): string => `${mode} blob ${a}\t${path}\0`;

  test("submodules are found", () => {
    const listing = `${entry("100644", "a")}160000 commit ${b}\tlib/x y\0${entry("120000", ".gitignore")}`;
    expect(readListing(listing)).toEqual([{ path: "lib/x y", commit: b }]);
  });

  test.each([".git", "a/.git", ".GIT/config", "a/../b", "./a", "a//b"])("an entry %j is refused", (path) => {
    expect(() => readListing(entry("120000", path))).toThrow("which git forbids");
  });

  test("URLs of .gitmodules", () => {
    const listing =
      "submodule.a.b.path\nlib/\0submodule.a.b.url\n../x.git\0submodule.c.url\nhttps://h/c.git\0core.x\n1\0";
    expect(submoduleUrls(listing)).toEqual(new Map([["lib", "../x.git"]]));
  });

  test.each([
    ["https://h/o/r.git", "../x.git", "https://h/o/x.git"],
    ["https://h/o/r.git", "./x.git", "https://h/o/r.git/x.git"],
    ["git@h:o/r.git", "../x.git", "git@h:o/x.git"],
    ["https://h/o/r.git", "https://i/y.git", "https://i/y.git"],
  ])("%s and %s", (parent, url, absolute) => {
    expect(submoduleUrl(url, parent)).toBe(absolute);
  });
});

describe("credentials", () => {
  const secrets: Readonly<Record<string, string>> = {
    GIT_AUTH_TOKEN: "any\n",
    "GIT_AUTH_TOKEN.h": "own",
    "GIT_AUTH_HEADER.i": "Custom x",
  };
  const credentials = {
    secret: async (id: string) => (secrets[id] === undefined ? undefined : Buffer.from(secrets[id])),
    ssh: async (id: string, host: string) =>
      id === "default" && host === "h" ? ({ type: "socket", path: "/agent" } as const) : undefined,
  };
  const ask = (url: string, hostSecretsOnly = false) =>
    login({ ...request("git://h/r.git"), url, hostSecretsOnly }, credentials, () => "/nowhere");
  const token = (text: string) =>
    `Authorization: Basic ${Buffer.from(`x-access-token:${text}`).toString("base64")}`;

  test("a host's own secret comes first, and holds for its origin only", async () => {
    expect((await ask("https://h/r.git")).config).toEqual([
      ["http.https://h/.extraHeader", token("own")],
      ["http.followRedirects", "false"],
    ]);
    expect((await ask("https://other/r.git")).config[0]).toEqual([
      "http.https://other/.extraHeader",
      token("any"),
    ]);
    expect((await ask("http://i:81/r.git")).config[0]).toEqual([
      "http.http://i:81/.extraHeader",
      "Authorization: Custom x",
    ]);
  });

  test("another host's submodule does not get the secret without a host", async () => {
    expect((await ask("https://other/r.git", true)).config).toEqual([]);
    expect((await ask("https://h/r.git", true)).config).toHaveLength(2);
  });

  test("user and password leave the URL", async () => {
    const { url, config } = await ask("https://u:p%40@other/r.git");
    expect(url).toBe("https://other/r.git");
    expect(config[0]?.[1]).toBe(`Authorization: Basic ${Buffer.from("u:p@").toString("base64")}`);
  });

  test("ssh has an agent, and no key, prompt or configuration", async () => {
    const { env } = await ask("git@h:r.git");
    expect(env["SSH_AUTH_SOCK"]).toBe("/agent");
    expect(env["GIT_SSH_COMMAND"]).toMatch(/^ssh -F none .*'BatchMode=yes'.*'StrictHostKeyChecking=yes'/);
    expect((await ask("git@other:r.git")).env).not.toHaveProperty("SSH_AUTH_SOCK");
    expect((await ask("git@other:r.git")).env["GIT_SSH_COMMAND"]).toContain("'IdentityAgent=none'");
    expect((await ask("git://h/r.git")).env).toEqual({});
  });
});

test.each([
  [
    "Host key for [h]:22 has changed and you have requested strict checking.\nHost key verification failed.",
    "another ssh key than the one that is known",
    "ssh-keygen -R '[h]:2222'",
  ],
  ["Host key verification failed.", "ssh key is not known", "ssh-keyscan -p 2222 h"],
  [
    "fatal: unable to access 'https://h/': SSL certificate problem: self-signed certificate in certificate chain",
    "certificate is not trusted",
    "GIT_SSL_CAINFO",
  ],
  ["server certificate verification failed. CAfile: none", "certificate is not trusted", "GIT_SSL_CAINFO"],
  ["fatal: repository 'x' not found", "no such repository", "check the URL"],
])("%s", (said, why, hint) => {
  const told = remoteFailure("fetching", "ssh://git@h:2222/r.git", new GitFailure(said, 128));
  expect(told).toMatchObject({
    message: expect.stringContaining(why),
    hint: expect.stringContaining(hint),
  });
});
