import { createPrivateKey, type JsonWebKeyInput, type KeyObject } from "node:crypto";
import { WireReader, wireNumber, wireString } from "./wire.ts";

type JsonWebKey = JsonWebKeyInput["key"];

const MAGIC = "openssh-key-v1\0";
const ARMOR = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END OPENSSH PRIVATE KEY-----/;

/** Curves by OpenSSH's name. */
const CURVES = new Map([
  ["nistp256", "P-256"],
  ["nistp384", "P-384"],
  ["nistp521", "P-521"],
]);

function base64(bytes: Buffer): string {
  return bytes.toString("base64url");
}

function integer(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString("hex") || "0"}`);
}

function bytesOf(value: bigint): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 1 ? `0${hex}` : hex, "hex");
}

function rsaKey(reader: WireReader): JsonWebKey {
  const [n, e, d, qi, p, q] = Array.from({ length: 6 }, () => reader.number()) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  const dp = bytesOf(integer(d) % (integer(p) - 1n));
  const dq = bytesOf(integer(d) % (integer(q) - 1n));
  const parts = Object.entries({ n, e, d, p, q, dp, dq, qi });
  return { kty: "RSA", ...Object.fromEntries(parts.map(([name, bytes]) => [name, base64(bytes)])) };
}

function ecKey(reader: WireReader): JsonWebKey {
  const crv = CURVES.get(reader.text());
  if (crv === undefined) throw new TypeError("an unknown curve");
  const point = reader.bytes();
  const size = (point.length - 1) / 2;
  const d = reader.number();
  const padded = Buffer.concat([Buffer.alloc(size - d.length), d]);
  const [x, y] = [point.subarray(1, 1 + size), point.subarray(1 + size)];
  return { kty: "EC", crv, x: base64(x), y: base64(y), d: base64(padded) };
}

function edKey(reader: WireReader): JsonWebKey {
  const x = reader.bytes();
  const seed = reader.bytes().subarray(0, 32);
  return { kty: "OKP", crv: "Ed25519", x: base64(x), d: base64(seed) };
}

function webKey(type: string, reader: WireReader): JsonWebKey {
  if (type === "ssh-ed25519") return edKey(reader);
  if (type === "ssh-rsa") return rsaKey(reader);
  if (type.startsWith("ecdsa-sha2-")) return ecKey(reader);
  throw new TypeError(`keys of type ${type} are not supported`);
}

/** OpenSSH's own container (PROTOCOL.key in its sources). */
function parseOpenSsh(armored: string): KeyObject {
  const data = Buffer.from(armored, "base64");
  if (data.toString("latin1", 0, MAGIC.length) !== MAGIC) throw new TypeError("not an OpenSSH key");
  const outer = new WireReader(data.subarray(MAGIC.length));
  if (outer.text() !== "none") throw new TypeError("it is protected by a passphrase");
  outer.bytes();
  outer.bytes();
  if (outer.uint32() !== 1) throw new TypeError("it does not hold exactly one key");
  outer.bytes();
  const inner = new WireReader(outer.bytes());
  inner.uint32();
  inner.uint32();
  return createPrivateKey({ key: webKey(inner.text(), inner), format: "jwk" });
}

/** A private key from the text of its file: OpenSSH's format, or PEM. Throws a TypeError, or OpenSSL's error, with the reason. */
export function parsePrivateKey(text: string): KeyObject {
  const armored = ARMOR.exec(text)?.[1];
  if (armored !== undefined) return parseOpenSsh(armored);
  if (/ENCRYPTED/.test(text)) throw new TypeError("it is protected by a passphrase");
  if (!text.includes("PRIVATE KEY-----")) throw new TypeError("it holds no private key");
  return createPrivateKey(text);
}

/** The key's algorithm as SSH names it, and the public key as SSH sends it (RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4). */
export function publicBlob(key: KeyObject): { readonly type: string; readonly blob: Buffer } {
  const jwk = key.export({ format: "jwk" });
  const part = (name: "n" | "e" | "x" | "y"): Buffer => Buffer.from(jwk[name] ?? "", "base64url");
  if (jwk.kty === "RSA") {
    const blob = Buffer.concat([wireString("ssh-rsa"), wireNumber(part("e")), wireNumber(part("n"))]);
    return { type: "ssh-rsa", blob };
  }
  if (jwk.kty === "OKP" && jwk.crv === "Ed25519")
    return { type: "ssh-ed25519", blob: Buffer.concat([wireString("ssh-ed25519"), wireString(part("x"))]) };
  const curve = [...CURVES].find(([, name]) => name === jwk.crv)?.[0];
  if (curve === undefined) throw new TypeError(`keys of type ${jwk.crv ?? jwk.kty} are not supported`);
  const type = `ecdsa-sha2-${curve}`;
  const point = Buffer.concat([Buffer.from([4]), part("x"), part("y")]);
  return { type, blob: Buffer.concat([wireString(type), wireString(curve), wireString(point)]) };
}
