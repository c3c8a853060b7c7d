import { TsbuildError } from "@tsbuild/base";
import {
  type AuthFile,
  authFilePaths,
  authKey,
  candidateKeys,
  credentialOf,
  readAuthFile,
} from "./auth-file.ts";
import { helperGet } from "./helper.ts";
import type { Credential, CredentialSource, FoundCredential } from "./types.ts";

type Env = Readonly<Record<string, string | undefined>>;

export const HUB_SERVER = "https://index.docker.io/v1/";

/** The name under which helpers know a host. */
export function helperServer(host: string): string {
  return host === "docker.io" ? HUB_SERVER : host;
}

/** The helper that a file names for a host, if any. */
export function helperOf(file: AuthFile, host: string): string | undefined {
  const own = Object.entries(file.credHelpers).find(([key]) => authKey(key) === host);
  return own?.[1] || file.credsStore;
}

function entryOf(file: AuthFile, host: string, repository: string): Credential | undefined {
  const byKey = new Map(Object.entries(file.auths).map(([key, entry]) => [authKey(key), entry]));
  for (const key of candidateKeys(host, repository)) {
    const entry = byKey.get(key);
    const credential = entry === undefined ? undefined : credentialOf(entry);
    if (credential !== undefined) return credential;
  }
  return undefined;
}

/** An entry that says something, and nothing that can be sent; an empty one is what a store leaves behind. */
function unusable(
  { path, auths }: AuthFile,
  host: string,
  found: Credential | undefined,
): Pick<FoundCredential, "problem"> {
  const entry = Object.entries(auths).find(([key]) => authKey(key) === host)?.[1] ?? {};
  const says = ["auth", "username", "password"].some((field) => entry[field]);
  if (found !== undefined || !says) return {};
  return { problem: `${path}: the entry of ${host} holds no user with a password` };
}

async function findIn(
  file: AuthFile,
  wanted: { host: string; repository: string },
  env: Env,
): Promise<FoundCredential> {
  const { host, repository } = wanted;
  const helper = helperOf(file, host);
  const entry = entryOf(file, host, repository);
  if (helper === undefined) return { credential: entry, ...unusable(file, host, entry) };
  try {
    return { credential: (await helperGet(helper, helperServer(host), env)) ?? entry };
  } catch (error) {
    // A public image must not fail for a helper that is not installed: it is told when the registry refuses.
    if (!(error instanceof TsbuildError)) throw error;
    return { credential: entry, problem: `${file.path}: ${error.message}` };
  }
}

/** Credentials of docker's and podman's files and their helpers (R001). Files are read when a registry first asks. */
export function storedCredentials(env: Env): CredentialSource {
  let files: AuthFile[] | undefined;
  return {
    find: async (host, repository) => {
      files ??= authFilePaths(env).flatMap((path) => readAuthFile(path) ?? []);
      const problems: string[] = [];
      for (const file of files) {
        const { credential, problem } = await findIn(file, { host, repository }, env);
        if (credential !== undefined) return { credential };
        if (problem !== undefined) problems.push(problem);
      }
      return { credential: undefined, problem: problems.join("; ") || undefined };
    },
  };
}
