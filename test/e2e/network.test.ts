/** Networks of steps: private by default where a provider is installed, and what it keeps out (B007, B008, B010, C020). */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commandsLeft, runningCommands } from "./processes.ts";
import { findProgram, importBusybox, missing, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: networks of steps: ${reason}`);

const providers = ["pasta", "slirp4netns"].filter((name) => {
  const why = missing(name);
  if (why !== undefined) console.log(`skipped: networks made by ${name}: ${why}`);
  return why === undefined;
});

/** Names of abstract sockets are the whole machine's: another run of these tests has its own. */
const ABSTRACT = `tsbuild-network-test-${process.pid}`;

const SLEEP = `sleep 4141.${process.pid}`;

function outsideAddress(): string | undefined {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ internal, family }) => !internal && family === "IPv4")?.address;
}

/** A server of the host that greets whoever connects; the greeter waits before it hangs up. */
async function greeter(host: string) {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.write("reached\n");
    setTimeout(() => socket.destroy(), 300);
  });
  server.listen(0, host);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: address.port, close: () => server.close() };
}

describe.skipIf(reason !== undefined)("the network of a step", () => {
  const world = new World();
  const outside = outsideAddress();
  let loopback: Awaited<ReturnType<typeof greeter>>;
  let open: Awaited<ReturnType<typeof greeter>>;
  let abstract: ReturnType<typeof createServer>;

  beforeAll(async () => {
    await importBusybox(world);
    loopback = await greeter("127.0.0.1");
    open = await greeter("0.0.0.0");
    abstract = createServer().listen(`\0${ABSTRACT}`);
    await once(abstract, "listening");
  });
  afterAll(() => {
    loopback.close();
    open.close();
    abstract.close();
    world.close();
  });

  const ask = (address: string, port: number): string =>
    `echo "${address}: $(timeout 2 nc ${address} ${port} < /dev/null 2>&1 | head -1)"`;

  async function step(name: string, command: string, ...flags: string[]): Promise<string> {
    const context = world.context(name, { Dockerfile: `FROM busybox\nRUN ${command}\n` });
    return world.build(context, "--no-cache", ...flags);
  }

  describe.each(providers)("made by %s", (provider) => {
    const flag = `--network-provider=${provider}`;

    test("reaches an address of the host that is open to others, by host-gateway too", async () => {
      if (outside === undefined) return console.log("skipped: this machine has loopback addresses only");
      const command = `grep gateway.test /etc/hosts; ${ask("gateway.test", open.port)}`;
      const log = await step(`${provider}-out`, command, flag, "--add-host=gateway.test:host-gateway");
      expect(log).toContain(`${outside}\tgateway.test`);
      expect(log).toContain("gateway.test: reached");
    });

    test("does not reach the host's loopback, by no name, nor its abstract sockets", async () => {
      const addresses = ["127.0.0.1", "10.0.2.2", ...(outside === undefined ? [] : [outside])];
      const asked = addresses.map((address) => ask(address, loopback.port)).join("; ");
      const log = await step(`${provider}-in`, `${asked}; grep -c ${ABSTRACT} /proc/net/unix || true`, flag);
      expect(log).not.toContain(": reached");
      expect(log).toMatch(/^#2 [\d.]+ 0$/m);
    });

    test("has an interface beside the loopback, which is up", async () => {
      const log = await step(`${provider}-own`, "ip addr show lo; ip route", flag);
      expect(log).toMatch(/LOOPBACK,UP/);
      expect(log).toMatch(/default via 10\.0\.2\.2/);
    });

    test("is lent to one step at a time", async () => {
      // Both sides try again: nc listens for one connection, whoever makes it, and on a slow machine it may be cut before a word was said.
      const listen = "(while [ ! -s /got ]; do nc -l -p 7777 > /got; done &)";
      const send = (word: string) =>
        `for n in $(seq 100); do [ -s /got ] && break; echo ${word} | timeout 2 nc 127.0.0.1 7777; sleep 0.1; done`;
      const stages = [0, 1, 2].map((i) => [
        `FROM busybox AS s${i}`,
        `RUN readlink /proc/self/ns/net > /ns; ${listen}; ${send(`from-${i}`)}; cat /got`,
      ]);
      const last = ["FROM busybox", ...[0, 1, 2].map((i) => `COPY --from=s${i} /ns /ns${i}`), "RUN cat /ns*"];
      const context = world.context(`${provider}-three`, { Dockerfile: [...stages, last].flat().join("\n") });
      const log = await world.build(context, "--no-cache", "--jobs=3", flag);
      for (const i of [0, 1, 2]) expect(log).toMatch(new RegExp(`^#\\d+ [\\d.]+ from-${i}$`, "m"));
      expect(new Set(log.match(/net:\[\d+\]/g))).toHaveProperty("size", 3);
    });

    test("goes with a builder that is killed", async () => {
      const mark = `${world.root}/`;
      const context = world.context(`${provider}-kill`, {
        Dockerfile: `FROM busybox\nRUN echo up; ${SLEEP}\n`,
      });
      const signalOn = { match: /#2 [\d.]+ up/, signal: "SIGKILL" } as const;
      await world.tsbuild(["build", "--progress=plain", "--no-cache", flag, context], { signalOn });
      expect(await commandsLeft(SLEEP)).toEqual([]);
      expect(runningCommands(mark).filter((line) => line.includes(provider))).toEqual([]);
    });
  });

  test("is the host's where nobody can make one, and the log says so once", async () => {
    const Dockerfile = "FROM busybox\nRUN readlink /proc/self/ns/net\nRUN true\n";
    const context = world.context("no-provider", { Dockerfile });
    const { stderr } = await world.ok(["build", "--progress=plain", "--no-cache", context], {
      env: { PATH: "/nowhere" },
    });
    expect(stderr.match(/share the host's network/g)).toHaveLength(1);
    expect(stderr).toContain("slirp4netns and pasta are not installed");
    expect(stderr).toContain(await ownNetwork());
  });

  test("is the host's without a word when that was asked for", async () => {
    for (const flag of ["--network=host", "--network-provider=host"]) {
      const log = await step("host", "readlink /proc/self/ns/net", flag);
      expect(log).toContain(await ownNetwork());
      expect(log).not.toContain("share the host's network");
    }
  });

  test("a provider asked for by name is no wish", async () => {
    const context = world.context("asked", { Dockerfile: "FROM busybox\nRUN true\n" });
    const args = ["build", "--no-cache", "--network-provider=pasta", context];
    const { code, stderr } = await world.tsbuild(args, { env: { PATH: "/nowhere" } });
    expect(code).not.toBe(0);
    expect(stderr).toContain("no private network with pasta: pasta is not installed");
    expect(stderr).toContain("--network-provider=auto");
  });
});

async function ownNetwork(): Promise<string> {
  const child = spawn(findProgram("readlink") ?? "readlink", ["/proc/self/ns/net"]);
  const [chunk] = (await once(child.stdout, "data")) as [Buffer];
  return chunk.toString("utf8").trim();
}
