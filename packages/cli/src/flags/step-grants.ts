import { existsSync, statSync } from "node:fs";
import { nearest, TsbuildError } from "@tsbuild/base";
import type { AgentSource, Entitlement, SecretRequest, SecretSource } from "@tsbuild/engine";
import { csvFields } from "./csv.ts";

type Env = Readonly<Record<string, string | undefined>>;

function usage(flag: string, text: string, problem: string, hint: string): TsbuildError {
  return new TsbuildError("TSB_USAGE", `${flag} ${JSON.stringify(text)}: ${problem}`, { hint });
}

const SECRET_EXAMPLE = "for example --secret id=token,src=token.txt or --secret id=token,env=TOKEN";
const SECRET_KEYS = ["id", "type", "src", "source", "env", "invalidate"];

function secretFields(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const field of csvFields(text)) {
    const equals = field.indexOf("=");
    const key = field.slice(0, Math.max(equals, 0)).trim().toLowerCase();
    if (field === "invalidate") fields.set(field, "true");
    else if (equals < 1)
      throw usage("--secret", text, `${JSON.stringify(field)} is not KEY=VALUE`, SECRET_EXAMPLE);
    else if (!SECRET_KEYS.includes(key)) throw unknownKey(text, key);
    else fields.set(key === "source" ? "src" : key, field.slice(equals + 1));
  }
  return fields;
}

function unknownKey(text: string, key: string): TsbuildError {
  const meant = nearest(key, SECRET_KEYS);
  const hint = meant === undefined ? `keys: ${SECRET_KEYS.join(", ")}` : `did you mean ${meant}=?`;
  return usage("--secret", text, `unknown key ${JSON.stringify(key)}`, hint);
}

/** `src` with type=env names a variable, as buildx has it; with neither, a variable of that name, else a file. */
function secretSource(text: string, fields: ReadonlyMap<string, string>, env: Env): SecretSource {
  const id = fields.get("id") ?? "";
  const [type, src, variable] = [fields.get("type"), fields.get("src"), fields.get("env")];
  if (type !== undefined && type !== "file" && type !== "env")
    throw usage("--secret", text, `unknown type ${JSON.stringify(type)}`, "types: file, env");
  if (src !== undefined && variable !== undefined)
    throw usage("--secret", text, "src and env are both given", SECRET_EXAMPLE);
  if (type === "file" && variable !== undefined)
    throw usage("--secret", text, "env is given for type=file", SECRET_EXAMPLE);
  if (variable !== undefined || type === "env") return { type: "env", name: variable ?? src ?? id };
  if (src !== undefined || type === "file" || env[id] === undefined) return { type: "file", path: src ?? id };
  return { type: "env", name: id };
}

/** `id=x[,src=FILE|,env=VAR][,type=file|env][,invalidate=true]` (C014, W010). Throws TSB_USAGE. */
export function parseSecret(text: string, env: Env): [string, SecretRequest] {
  const fields = secretFields(text);
  const id = fields.get("id") ?? "";
  if (id === "") throw usage("--secret", text, "the id is missing", SECRET_EXAMPLE);
  const invalidate = fields.get("invalidate") ?? "false";
  if (invalidate !== "true" && invalidate !== "false")
    throw usage("--secret", text, `invalidate=${invalidate}`, "true or false");
  return [id, { source: secretSource(text, fields, env), invalidate: invalidate === "true" }];
}

/** `default`, `id`, `id=SOCKET`, `id=KEY[,KEY…]` (C015); without a path the agent of $SSH_AUTH_SOCK. Throws TSB_USAGE. */
export function parseAgents(texts: readonly string[], env: Env): Record<string, AgentSource> {
  const agents = new Map<string, AgentSource>();
  for (const text of texts) {
    const [id, source] = parseSsh(text, env);
    if (agents.has(id))
      throw usage("--ssh", text, `${id} is given twice`, `all its keys in one: ${id}=KEY,KEY`);
    agents.set(id, source);
  }
  return Object.fromEntries(agents);
}

function parseSsh(text: string, env: Env): [string, AgentSource] {
  const equals = text.indexOf("=");
  const id = (equals < 0 ? text : text.slice(0, equals)) || "default";
  const paths = equals < 0 ? [] : csvFields(text.slice(equals + 1)).filter((path) => path !== "");
  return [id, paths.length === 0 ? ownAgent(text, env) : agentAt(text, paths)];
}

function ownAgent(text: string, env: Env): AgentSource {
  const path = env["SSH_AUTH_SOCK"];
  if (path && existsSync(path)) return { type: "socket", path };
  throw usage(
    "--ssh",
    text,
    path ? `$SSH_AUTH_SOCK is ${path}, which does not exist` : "$SSH_AUTH_SOCK is not set: there is no agent",
    "start one (eval $(ssh-agent)), or name a key: --ssh default=KEYFILE",
  );
}

function agentAt(text: string, paths: readonly string[]): AgentSource {
  const missing = paths.find((path) => !existsSync(path));
  if (missing !== undefined)
    throw usage(
      "--ssh",
      text,
      `${missing} does not exist`,
      "name a socket or private key files: --ssh default=PATH[,PATH]",
    );
  const sockets = paths.filter((path) => statSync(path).isSocket());
  const [socket] = sockets;
  if (socket === undefined) return { type: "keys", files: paths };
  if (paths.length === 1) return { type: "socket", path: socket };
  throw usage("--ssh", text, "one socket, or several keys", "give each agent an id of its own");
}

const ENTITLEMENTS: readonly Entitlement[] = ["network.host", "security.insecure"];

/** C021. Throws TSB_USAGE. */
export function parseAllow(text: string): Entitlement {
  const found = ENTITLEMENTS.find((entitlement) => entitlement === text);
  if (found !== undefined) return found;
  const meant = nearest(text, ENTITLEMENTS);
  const hint = meant === undefined ? `one of ${ENTITLEMENTS.join(", ")}` : `did you mean ${meant}?`;
  throw usage("--allow", text, "there is no such entitlement", hint);
}
