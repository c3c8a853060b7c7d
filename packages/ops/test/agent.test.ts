import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AgentServer, serveAgent } from "../src/grants/agent-server.ts";

const run = promisify(execFile);
const found = spawnSync("ssh-keygen", ["-?"]).error === undefined;
if (!found) console.log("skipped: ssh agents: needs ssh-keygen and ssh-add");

describe.skipIf(!found)("agents that steps get", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-agent-"));
  const path = (name: string) => join(folder, name);
  const types = ["ed25519", "rsa", "ecdsa"];
  const servers: AgentServer[] = [];
  const ssh = (program: string, args: readonly string[], socket: string) =>
    run(program, args, { env: { PATH: process.env["PATH"], SSH_AUTH_SOCK: path(socket) } });

  beforeAll(async () => {
    for (const type of types) await run("ssh-keygen", ["-q", "-t", type, "-N", "", "-f", path(type)]);
    await run("ssh-keygen", ["-q", "-t", "rsa", "-m", "PEM", "-N", "", "-f", path("pem")]);
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "secret", "-f", path("locked")]);
    const files = [...types, "pem"].map(path);
    servers.push(await serveAgent({ type: "keys", files }, path("own")));
    servers.push(await serveAgent({ type: "socket", path: path("own") }, path("forwarded")));
  });
  afterAll(() => {
    for (const server of servers.toReversed()) server.close();
    rmSync(folder, { recursive: true });
  });

  test.each(["own", "forwarded"])("the %s one lists keys and signs with each", async (socket) => {
    const { stdout } = await ssh("ssh-add", ["-l"], socket);
    for (const type of [...types, "pem"]) {
      const fingerprint = (await run("ssh-keygen", ["-lf", path(`${type}.pub`)])).stdout.split(" ")[1]!;
      expect(stdout).toContain(fingerprint);
      writeFileSync(path("data"), "what is signed");
      rmSync(path("data.sig"), { force: true });
      await ssh(
        "ssh-keygen",
        ["-q", "-Y", "sign", "-n", "test", "-f", path(`${type}.pub`), path("data")],
        socket,
      );
      const verify = ["-Y", "check-novalidate", "-n", "test", "-s", path("data.sig")];
      const verified = spawnSync("ssh-keygen", verify, { input: "what is signed", encoding: "utf8" });
      expect(verified.stdout).toContain(`key ${fingerprint}`);
    }
  });

  test("keys are neither added nor removed nor locked away", async () => {
    for (const args of [["-D"], ["-d", path("rsa.pub")], [path("ed25519")]])
      await expect(ssh("ssh-add", args, "forwarded")).rejects.toThrow();
    expect((await ssh("ssh-add", ["-l"], "own")).stdout.trim().split("\n")).toHaveLength(4);
  });

  // Fails when a message of another kind is passed on: tsbuild's own agent would refuse it, the user's need not.
  test("nothing but lists and requests to sign reaches the user's agent", async () => {
    const { createServer, connect } = await import("node:net");
    const heard: number[] = [];
    const users = createServer((socket) =>
      socket.on("data", (data: Buffer) => {
        /* The next message comes when this one is answered. */
        heard.push(data[4] ?? -1);
        socket.write(Buffer.from([0, 0, 0, 1, 6]));
      }),
    );
    await new Promise<void>((resolve) => void users.listen(path("users"), resolve));
    const server = await serveAgent({ type: "socket", path: path("users") }, path("to-users"));
    const client = connect(path("to-users"));
    const replies: Buffer[] = [];
    client.on("data", (data: Buffer) => {
      replies.push(data);
      if (Buffer.concat(replies).length === 256 * 5) client.end();
    });
    for (let type = 0; type < 256; type++) client.write(Buffer.from([0, 0, 0, 1, type]));
    await new Promise<void>((resolve) => void client.on("close", () => resolve()));
    expect(heard).toEqual([11, 13]);
    const kinds = Buffer.concat(replies).filter((_, at) => at % 5 === 4);
    expect([...kinds].flatMap((kind, type) => (kind === 5 ? [] : [type]))).toEqual([11, 13]);
    server.close();
    await new Promise<void>((resolve) => void users.close(() => resolve()));
  });

  test("an agent that is gone is a failure of the request, not of the builder", async () => {
    const server = await serveAgent({ type: "socket", path: path("nobody") }, path("dangling"));
    await expect(ssh("ssh-add", ["-l"], "dangling")).rejects.toThrow();
    server.close();
  });

  test("a message without end ends the connection", async () => {
    const { connect } = await import("node:net");
    const client = connect(path("own"));
    client.write(Buffer.from([0x7f, 0xff, 0xff, 0xff, 11]));
    await new Promise<void>((resolve) => client.on("close", () => resolve()));
    expect((await ssh("ssh-add", ["-l"], "own")).stdout).toContain("ED25519");
  });

  test("keys that cannot be used say why", async () => {
    writeFileSync(path("text"), "no key");
    const open = (name: string) => serveAgent({ type: "keys", files: [path(name)] }, path("never"));
    await expect(open("locked")).rejects.toThrow(/it is protected by a passphrase/);
    await expect(open("text")).rejects.toThrow(/it holds no private key/);
    await expect(open("missing")).rejects.toThrow(/ENOENT/);
  });
});
