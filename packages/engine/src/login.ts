import { TsbuildError } from "@tsbuild/base";
import {
  canonicalHost,
  createRegistryClient,
  eraseLogin,
  type StoredLogin,
  storeLogin,
} from "@tsbuild/registry";
import { registryHosts } from "./registry-hosts.ts";
import { readSettings } from "./settings.ts";

type Env = Readonly<Record<string, string | undefined>>;

export interface LoginRequest {
  /** `docker.io`, `registry.example.com:5000`. */
  readonly host: string;
  readonly username: string;
  readonly password: string;
  readonly env: Env;
  readonly insecureRegistries?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A host as it stands in image names; people also paste URLs. Throws TSB_USAGE. */
export function loginHost(text: string): string {
  const host = text.replace(/^https?:\/\//, "").replace(/\/(v[12]\/?)?$/, "");
  if (/^[\w.-]+(:\d+)?$|^\[[0-9a-fA-F:]+\](:\d+)?$/.test(host)) return canonicalHost(host);
  throw new TsbuildError("TSB_USAGE", `${JSON.stringify(text)} is not the host of a registry`, {
    hint: "for example tsbuild login registry.example.com",
  });
}

/** Asks the registry whether the password is right, and only then keeps it where docker keeps it. Rejects with TSB_AUTH. */
export async function login(request: LoginRequest): Promise<StoredLogin> {
  const { username, password, env, signal } = request;
  const host = loginHost(request.host);
  const hosts = registryHosts(readSettings(env), (request.insecureRegistries ?? []).map(loginHost));
  const credential = { type: "password", username, password } as const;
  const credentials = { find: async () => ({ credential }) };
  const client = createRegistryClient({ hosts, env, credentials });
  try {
    await client.ping(host, { signal });
  } catch (error) {
    if (!(error instanceof TsbuildError) || error.code !== "TSB_AUTH") throw error;
    const hint = "is the password right? Many registries want an access token instead of it";
    throw new TsbuildError("TSB_AUTH", `login to ${host} as ${username}: ${error.message}`, {
      hint,
      cause: error,
    });
  } finally {
    await client.close();
  }
  return storeLogin({ host, username, password }, env);
}

/** Forgets a host's credentials; false: there were none. */
export async function logout(host: string, env: Env): Promise<boolean> {
  return eraseLogin(loginHost(host), env);
}
