import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findContainerEngine } from "../src/container-engine.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbuild-engine-"));
const socket = join(folder, "sock");
const never = new AbortController().signal;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
let onLoad: Handler;
let received: string;

/** An engine that answers /version, and /images/load as a test says. */
const server = createServer((request, response) => {
  if (request.url === "/version") {
    response.end(JSON.stringify({ Version: "4.3.1", Components: [{ Name: "Podman Engine" }] }));
  } else onLoad(request, response);
});

async function readAll(request: IncomingMessage): Promise<void> {
  received = "";
  for await (const chunk of request) received += String(chunk);
}

async function* archive(count = 3): AsyncGenerator<Uint8Array> {
  const memory = Buffer.alloc(4);
  for (let at = 0; at < count; at++) {
    // As writers of archives do: the memory is used again.
    memory.write(`c${at % 10},\n`);
    yield memory;
  }
}

const find = (env: Record<string, string>, context?: string) =>
  findContainerEngine({ HOME: folder, ...env }, { context, signal: never });
const found = () => find({ DOCKER_HOST: `unix://${socket}` });

describe("a container engine", () => {
  beforeAll(() => new Promise<void>((resolve) => server.listen(socket, resolve)));
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });

  test("is named, and gets the archive as it is made", async () => {
    onLoad = async (request, response) => {
      await readAll(request);
      response.end('{"stream":"Loaded image: app:1\\n"}\n{"stream":"Loaded image: app:2\\n"}');
    };
    const engine = await found();
    expect(engine.name).toBe(`podman 4.3.1 (${socket})`);
    expect(await engine.load(archive(), never)).toEqual(["Loaded image: app:1", "Loaded image: app:2"]);
    expect(received).toBe("c0,\nc1,\nc2,\n");
  });

  test("what it complains of is told, whether as an answer or within one", async () => {
    const engine = await found();
    onLoad = async (request, response) => {
      await readAll(request);
      response.end('{"stream":"…"}\n{"errorDetail":{"message":"x"},"error":"no space left"}\n');
    };
    await expect(engine.load(archive(), never)).rejects.toThrow("does not load the image: no space left");
    onLoad = async (request, response) => {
      await readAll(request);
      response.end('{"error":"Error processing tar file(exit status 1): archive/tar: invalid tar header"}\n');
    };
    await expect(engine.load(archive(), never)).rejects.toMatchObject({
      hint: expect.stringMatching(/zstd/),
    });
    onLoad = (_request, response) => {
      response.writeHead(500, { connection: "close" });
      response.end('{"message":"read only"}');
    };
    await expect(engine.load(archive(200_000), never)).rejects.toThrow("does not load the image: read only");
  });

  test("that goes away is said, and a source that fails is the error", async () => {
    const engine = await found();
    onLoad = (request) => request.socket.destroy();
    await expect(engine.load(archive(100_000), never)).rejects.toThrow(/broke off while it loaded the image/);
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from("x");
      throw new RangeError("no such layer");
    };
    onLoad = (request) => request.resume();
    await expect(engine.load(failing(), never)).rejects.toThrow("no such layer");
  });

  test("is found by docker's context, of the settings, the environment or the output", async () => {
    const meta = join(folder, ".docker/contexts/meta", createHash("sha256").update("mine").digest("hex"));
    mkdirSync(meta, { recursive: true });
    writeFileSync(
      join(meta, "meta.json"),
      JSON.stringify({ Endpoints: { docker: { Host: `unix://${socket}` } } }),
    );
    expect((await find({}, "mine")).name).toContain("podman");
    expect((await find({ DOCKER_CONTEXT: "mine" })).name).toContain("podman");
    writeFileSync(join(folder, ".docker/config.json"), JSON.stringify({ currentContext: "mine" }));
    expect((await find({})).name).toContain("podman");
    await expect(find({}, "other")).rejects.toThrow('docker has no context "other"');
  });

  test("that is not there is told with all that was tried", async () => {
    await expect(find({ DOCKER_HOST: `unix://${folder}/none` })).rejects.toThrow(
      `no docker or podman answers to load the image into: ${folder}/none: it is not there`,
    );
    writeFileSync(join(folder, ".docker/config.json"), "{}");
    await expect(find({ XDG_RUNTIME_DIR: folder, CONTAINER_HOST: `unix://${folder}/pod` })).rejects.toThrow(
      "/pod",
    );
    await expect(find({ DOCKER_HOST: "ssh://host" })).rejects.toThrow(
      "DOCKER_HOST=ssh://host is not an address",
    );
  });
});
