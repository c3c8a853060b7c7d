import { chmodSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { TsbuildError } from "@tsbuild/base";
import type { AgentSource } from "./grants.ts";

/** Messages of the agent protocol (draft-ietf-sshm-ssh-agent, section 6.1). */
export const agentMessage = {
  failure: 5,
  requestIdentities: 11,
  identities: 12,
  signRequest: 13,
  signature: 14,
} as const;

const FAILURE = Buffer.from([agentMessage.failure]);
const PASSED: ReadonlySet<number> = new Set([agentMessage.requestIdentities, agentMessage.signRequest]);

/** OpenSSH's own bound. */
const MESSAGE_MAX_BYTES = 256 * 1024;

/** Answers one message (without its length) with one. */
export interface Agent {
  answer(message: Buffer): Promise<Buffer>;
  close(): void;
}

/** Cuts a stream into messages: u32 length, then as many bytes. */
async function* messagesOf(socket: Socket): AsyncGenerator<Buffer> {
  let data: Buffer = Buffer.alloc(0);
  for await (const chunk of socket) {
    data = Buffer.concat([data, chunk as Buffer]);
    while (data.length >= 4) {
      const length = data.readUInt32BE(0);
      if (length === 0 || length > MESSAGE_MAX_BYTES) return;
      if (data.length < 4 + length) break;
      yield data.subarray(4, 4 + length);
      data = data.subarray(4 + length);
    }
  }
}

function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  return Buffer.concat([length, message]);
}

/** The user's agent: one connection to it for each of the step's. */
function connectAgent(path: string): Agent {
  const socket = connect(path);
  // Its end shows in `replies`, which answer with a failure then.
  socket.on("error", () => socket.destroy());
  const replies = messagesOf(socket);
  return {
    answer: async (message) => {
      socket.write(framed(message));
      const reply = await replies.next().catch(() => undefined);
      return reply?.value ?? FAILURE;
    },
    close: () => socket.destroy(),
  };
}

/**
 * A step may list keys and have something signed. To add and remove keys or to lock the user's agent is not its business, and
 * extensions could be anything: all of it fails.
 */
async function serveClient(client: Socket, agent: Agent): Promise<void> {
  for await (const message of messagesOf(client)) {
    const type = message[0];
    const passed = type !== undefined && PASSED.has(type);
    client.write(framed(passed ? await agent.answer(message) : FAILURE));
  }
}

export interface AgentServer {
  close(): void;
}

async function opener(source: AgentSource): Promise<() => Agent> {
  if (source.type === "socket") return () => connectAgent(source.path);
  const { loadKeys } = await import("./key-agent.ts");
  const agent = loadKeys(source.files);
  return () => agent;
}

/** Listens on a new socket at `path` for one step. `close` also ends what is connected. Throws TSB_USAGE for keys that cannot be used. */
export async function serveAgent(source: AgentSource, path: string): Promise<AgentServer> {
  const open = await opener(source);
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    clients.add(client);
    const agent = open();
    client.on("error", () => client.destroy());
    client.on("close", () => {
      clients.delete(client);
      agent.close();
    });
    // A client that goes away in the middle of a message is no failure of the build.
    serveClient(client, agent).then(
      () => client.end(),
      () => client.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(new TsbuildError("TSB_SANDBOX", "cannot make the socket of an ssh mount", { cause })),
    );
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  const close = (): void => {
    server.close();
    for (const client of clients) client.destroy();
  };
  return { close };
}
