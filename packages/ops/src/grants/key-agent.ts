import { type KeyObject, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { TsbuildError } from "@tsbuild/base";
import { type Agent, agentMessage } from "./agent-server.ts";
import { parsePrivateKey, publicBlob } from "./private-key.ts";
import { WireReader, wireNumber, wireString, wireUint32 } from "./wire.ts";

interface AgentKey {
  readonly key: KeyObject;
  readonly type: string;
  readonly blob: Buffer;
  readonly comment: string;
}

/** Flags of a sign request for RSA (RFC 8332): which hash. Without any it would be SHA-1, which nobody should accept. */
const RSA_HASHES: readonly (readonly [number, string, string])[] = [
  [4, "rsa-sha2-512", "sha512"],
  [2, "rsa-sha2-256", "sha256"],
];

const ECDSA_HASHES = new Map([
  ["ecdsa-sha2-nistp256", "sha256"],
  ["ecdsa-sha2-nistp384", "sha384"],
  ["ecdsa-sha2-nistp521", "sha512"],
]);

function loadKey(path: string): AgentKey {
  try {
    const key = parsePrivateKey(readFileSync(path, "utf8"));
    return { key, ...publicBlob(key), comment: "tsbuild" };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TsbuildError("TSB_USAGE", `the ssh key ${path} cannot be used: ${why}`, {
      hint: "give an ed25519, RSA or ECDSA private key without passphrase, or an agent: ssh-add KEY, then --ssh default",
      cause,
    });
  }
}

/** Name of the algorithm and the signature proper; undefined when the key has none that was asked for. */
function signed({ key, type }: AgentKey, data: Buffer, flags: number): readonly [string, Buffer] | undefined {
  if (type === "ssh-ed25519") return [type, sign(null, data, key)];
  const hash = ECDSA_HASHES.get(type);
  if (hash !== undefined) {
    const pair = sign(hash, data, { key, dsaEncoding: "ieee-p1363" });
    const half = pair.length / 2;
    return [type, Buffer.concat([wireNumber(pair.subarray(0, half)), wireNumber(pair.subarray(half))])];
  }
  const rsa = RSA_HASHES.find(([flag]) => flags & flag);
  return rsa === undefined ? undefined : [rsa[1], sign(rsa[2], data, key)];
}

function identities(keys: readonly AgentKey[]): Buffer {
  const entries = keys.flatMap(({ blob, comment }) => [wireString(blob), wireString(comment)]);
  return Buffer.concat([Buffer.from([agentMessage.identities]), wireUint32(keys.length), ...entries]);
}

function answer(keys: readonly AgentKey[], message: Buffer): Buffer {
  if (message[0] === agentMessage.requestIdentities) return identities(keys);
  const reader = new WireReader(message.subarray(1));
  const blob = reader.bytes();
  const data = reader.bytes();
  const found = keys.find((key) => key.blob.equals(blob));
  const signature = found === undefined ? undefined : signed(found, data, reader.uint32());
  if (signature === undefined) return Buffer.from([agentMessage.failure]);
  const [name, bytes] = signature;
  const wire = wireString(Buffer.concat([wireString(name), wireString(bytes)]));
  return Buffer.concat([Buffer.from([agentMessage.signature]), wire]);
}

/** An agent of our own that holds the keys of these files. The keys themselves are never in the step. Throws TSB_USAGE. */
export function loadKeys(files: readonly string[]): Agent {
  const keys = files.map(loadKey);
  return { answer: async (message) => answer(keys, message), close: () => undefined };
}
