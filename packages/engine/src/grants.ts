import { readFileSync, statSync } from "node:fs";
import { errnoCode, limits, TsbuildError } from "@tsbuild/base";
import { NO_GRANTS, type Secret, SecretMask, type StepGrants } from "@tsbuild/ops";
import type { SecretRequest, SecretSource } from "./api.ts";
import type { CompleteRequest } from "./complete-request.ts";

type GrantRequest = Pick<CompleteRequest, "buildArgs" | "secrets" | "ssh" | "resources">;
type Env = Readonly<Record<string, string | undefined>>;

function fail(id: string, problem: string, cause?: unknown): TsbuildError {
  return new TsbuildError("TSB_USAGE", `the secret ${JSON.stringify(id)}: ${problem}`, {
    hint: `for example --secret id=${id},src=FILE or --secret id=${id},env=VARIABLE`,
    ...(cause === undefined ? {} : { cause }),
  });
}

function readSecretFile(id: string, path: string): Uint8Array {
  try {
    const stat = statSync(path);
    // Asked before reading: a device or a huge file must not fill the memory.
    if (stat.isFile() && stat.size > limits.secretBytes) throw tooLarge(id);
    if (stat.isDirectory()) throw fail(id, `${path} is a folder`);
    return readFileSync(path);
  } catch (error) {
    if (error instanceof TsbuildError) throw error;
    throw fail(id, `${path} cannot be read (${errnoCode(error) ?? "unknown error"})`, error);
  }
}

function tooLarge(id: string): TsbuildError {
  return fail(id, `it is larger than ${limits.secretBytes / 1024} KiB`);
}

function readSource(id: string, source: SecretSource, env: Env): Uint8Array {
  if (source.type === "value") return source.value;
  if (source.type === "file") return readSecretFile(id, source.path);
  const value = env[source.name];
  if (value === undefined) throw fail(id, `the variable ${source.name} is not set`);
  return Buffer.from(value);
}

function readSecret(id: string, { source, invalidate = false }: SecretRequest, env: Env): Secret {
  const value = readSource(id, source, env);
  if (value.length > limits.secretBytes) throw tooLarge(id);
  return { value, invalidate };
}

/** The value of a build argument is in history, keys and logs: no place for one that is also a secret (W011). */
function refuseSecretArguments({ buildArgs, secrets = {} }: GrantRequest): void {
  for (const [id, { source }] of Object.entries(secrets)) {
    const names = source.type === "env" ? [id, source.name] : [id];
    const name = names.find((one) => Object.hasOwn(buildArgs, one));
    if (name === undefined) continue;
    throw new TsbuildError("TSB_USAGE", `${name} is given as a secret and as a build argument`, {
      hint: `build arguments are kept in the image's history: drop --build-arg ${name}, and write RUN --mount=type=secret,id=${id},env=${name}`,
    });
  }
}

/** Reads what a request hands to its steps; fails before anything runs. Throws TSB_USAGE. */
export function readGrants(request: GrantRequest, env: Env): StepGrants {
  refuseSecretArguments(request);
  const secrets = new Map<string, Secret>();
  for (const [id, secret] of Object.entries(request.secrets ?? {}))
    secrets.set(id, readSecret(id, secret, env));
  return {
    secrets,
    agents: new Map(Object.entries(request.ssh ?? {})),
    resources: request.resources ?? NO_GRANTS.resources,
    mask: new SecretMask(secrets.values()),
  };
}
