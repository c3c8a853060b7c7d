import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { git } from "./git-server.ts";
import { findProgram, missing, World } from "./world.ts";

const reason = missing("git", "sshd", "ssh", "ssh-keygen", "ssh-agent");
if (reason !== undefined) console.log(`skipped: git over ssh: ${reason}`);

function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** Resolves when a program has said `text` on its standard error. */
function said(child: ChildProcess, text: string): Promise<void> {
  let all = "";
  return new Promise((resolve, reject) => {
    child.on("exit", (code) => reject(new Error(`ended with ${code}: ${all}`)));
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk: Buffer) => {
        all += chunk.toString();
        if (all.includes(text)) resolve();
      });
  });
}

/** A repository with one file in one commit; returns its folder. */
function newRepository(folder: string, file: string, text: string): string {
  mkdirSync(folder);
  git(folder, "init", "-q", "-b", "main");
  writeFileSync(join(folder, file), text);
  git(folder, "add", "-A");
  git(folder, "commit", "-q", "-m", "first");
  return folder;
}

describe.skipIf(reason !== undefined)("git over ssh", () => {
  const world = new World();
  const agent = world.path("agent");
  const children: ChildProcess[] = [];
  let url = "";
  let port = 0;
  let trusted: Readonly<Record<string, string>> = {};

  beforeAll(async () => {
    for (const name of ["host", "user"])
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", world.path(name)]);
    const repository = newRepository(world.path("app.git"), "Dockerfile", "FROM scratch\nCOPY . /\n");
    port = await freePort();
    const settings = [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${world.path("host")}`,
      `AuthorizedKeysFile ${world.path("user.pub")}`,
      "StrictModes no",
      "UsePAM no",
      "PermitRootLogin yes",
      "PasswordAuthentication no",
      "PidFile none",
    ];
    writeFileSync(world.path("sshd.conf"), `${settings.join("\n")}\n`);
    mkdirSync("/run/sshd", { recursive: true });
    const server = spawn(findProgram("sshd") ?? "", ["-f", world.path("sshd.conf"), "-D", "-e"]);
    const [program = "", ...words] = [...world.identity(), "ssh-agent", "-D", "-a", agent];
    const keeper = spawn(program, words);
    children.push(server, keeper);
    await Promise.all([said(server, "listening"), said(keeper, "SSH_AUTH_SOCK")]);
    execFileSync("ssh-add", ["-q", world.path("user")], { env: { ...process.env, SSH_AUTH_SOCK: agent } });
    const key = readFileSync(world.path("host.pub"), "utf8");
    writeFileSync(world.path("known"), `[127.0.0.1]:${port} ${key}`);
    trusted = { TSBUILD_KNOWN_HOSTS: world.path("known"), SSH_AUTH_SOCK: "" };
    url = `ssh://root@127.0.0.1:${port}${repository}`;
  });
  afterAll(() => {
    for (const child of children) child.kill();
    world.close();
  });

  function build(args: readonly string[], env: Readonly<Record<string, string>>) {
    return world.tsbuild(["build", "--progress=none", "-o", "type=cacheonly", ...args], { env });
  }

  test("a host whose key is not known is not talked to", async () => {
    const { code, stderr } = await build([url], { SSH_AUTH_SOCK: agent });
    expect([code, stderr]).toEqual([1, expect.stringContaining("the host's ssh key is not known")]);
    expect(stderr).toContain(`ssh-keyscan -p ${port} 127.0.0.1`);
  });

  test("a host with another key than the known one is not talked to, and it is not said how to trust it", async () => {
    const other = readFileSync(world.path("user.pub"), "utf8");
    writeFileSync(world.path("changed"), `[127.0.0.1]:${port} ${other}`);
    const { code, stderr } = await build([url], {
      SSH_AUTH_SOCK: agent,
      TSBUILD_KNOWN_HOSTS: world.path("changed"),
    });
    expect([code, stderr]).toEqual([1, expect.stringContaining("the host has another ssh key")]);
    expect(stderr).not.toContain("ssh-keyscan");
  });

  test("the user's agent serves a repository of the command line, a key does, too", async () => {
    expect(await build([url], { ...trusted, SSH_AUTH_SOCK: agent })).toMatchObject({ code: 0 });
    expect(await build(["--ssh", `default=${world.path("user")}`, url], trusted)).toMatchObject({ code: 0 });
    const { code, stderr } = await build([url], trusted);
    expect([code, stderr]).toEqual([1, expect.stringContaining("ssh was refused")]);
  });

  test("a folder of a tag, and submodules by a path from the repository, come the same way", async () => {
    const part = newRepository(world.path("part.git"), "inner", "inner\n");
    const app = world.path("app.git");
    git(app, "clone", "-q", part, "sub/part");
    writeFileSync(
      world.path("app.git", ".gitmodules"),
      `[submodule "p"]\n\tpath = sub/part\n\turl = ../part.git\n`,
    );
    writeFileSync(world.path("app.git", "sub", "Dockerfile"), "FROM scratch\nCOPY part/inner /\n");
    git(app, "add", "-A");
    git(app, "commit", "-q", "-m", "submodule");
    git(app, "tag", "v1");
    const out = world.path("out");
    const env = { ...trusted, SSH_AUTH_SOCK: agent };
    await world.ok(["build", "--progress=none", "-o", out, `${url}#v1:sub`], { env });
    expect(readFileSync(`${out}/inner`, "utf8")).toBe("inner\n");
  });

  test("a Dockerfile gets the agent only when it is lent (D112)", async () => {
    const folder = world.context("add", { Dockerfile: `FROM scratch\nADD ${url} /src\n` });
    const env = { ...trusted, SSH_AUTH_SOCK: agent };
    const { code, stderr } = await build([folder], env);
    expect([code, stderr]).toEqual([1, expect.stringContaining("--ssh default")]);
    expect(await build(["--ssh", "default", folder], env)).toMatchObject({ code: 0 });
  });
});
