import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { errnoCode } from "@tsbuild/base";
import { authKey, dockerConfigPath, isObject, readAuthFile, readJsonFile } from "./auth-file.ts";
import { helperErase, helperStore } from "./helper.ts";
import { HUB_SERVER, helperOf, helperServer } from "./source.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** A linked config.json stays a link. */
function realTarget(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return path;
    throw error;
  }
}

/** Written beside the file and renamed; readable by its owner only, from its first byte on. */
function replaceFile(path: string, value: unknown): void {
  const target = realTarget(path);
  mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}`);
  try {
    writeFileSync(temporary, `${JSON.stringify(value, undefined, "\t")}\n`, {
      mode: 0o600,
      flag: "wx",
      flush: true,
    });
    chmodSync(temporary, 0o600);
    renameSync(temporary, target);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Changes `auths` of a docker config and leaves everything else in it alone. */
function changeAuths(
  path: string,
  change: (auths: Record<string, unknown>) => Record<string, unknown>,
): void {
  const value = readJsonFile(path) ?? {};
  const auths = isObject(value["auths"]) ? value["auths"] : {};
  replaceFile(path, { ...value, auths: change(auths) });
}

function without(auths: Record<string, unknown>, host: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(auths).filter(([key]) => authKey(key) !== host));
}

/** Where credentials went: a file, or a helper's keychain. */
export interface StoredLogin {
  readonly place: string;
  /** False: they lie in a file, merely encoded. */
  readonly encrypted: boolean;
}

/** Keeps a password for a host, in docker's config.json or the helper that it names (R001). */
export async function storeLogin(
  login: { readonly host: string; readonly username: string; readonly password: string },
  env: Env,
): Promise<StoredLogin> {
  const { host, username, password } = login;
  const path = dockerConfigPath(env);
  const file = readAuthFile(path);
  const helper = file === undefined ? undefined : helperOf(file, host);
  const key = host === "docker.io" ? HUB_SERVER : host;
  if (helper !== undefined) {
    await helperStore(helper, { server: helperServer(host), username, secret: password }, env);
    // As docker leaves it: an empty entry says that there is a login, the helper has it.
    changeAuths(path, (auths) => ({ ...without(auths, host), [key]: {} }));
    return { place: `docker-credential-${helper}`, encrypted: true };
  }
  const auth = Buffer.from(`${username}:${password}`, "utf8").toString("base64");
  changeAuths(path, (auths) => ({ ...without(auths, host), [key]: { auth } }));
  return { place: path, encrypted: false };
}

/** Forgets a host's credentials. False: there were none. */
export async function eraseLogin(host: string, env: Env): Promise<boolean> {
  const path = dockerConfigPath(env);
  const file = readAuthFile(path);
  if (file === undefined) return false;
  const helper = helperOf(file, host);
  const erased = helper === undefined ? false : await helperErase(helper, helperServer(host), env);
  const known = Object.keys(file.auths).some((key) => authKey(key) === host);
  if (known) changeAuths(path, (auths) => without(auths, host));
  return erased || known;
}
