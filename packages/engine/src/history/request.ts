import { resolve } from "node:path";
import { formatPlatform, hideCredentials, looksSecret } from "@tsbuild/base";
import { SecretMask, type StepGrants } from "@tsbuild/ops";
import type { CompleteRequest } from "../complete-request.ts";
import type { RecordedRequest } from "./record.ts";

/** Stands for a value that is not written down. */
const MASK = "***";

/** Hides, in whatever text goes into a record, the values of secrets and of build arguments with telling names. */
export function recordMask({ buildArgs }: CompleteRequest, { secrets }: StepGrants): SecretMask {
  const telling = Object.entries(buildArgs).flatMap(([name, value]) =>
    value !== undefined && looksSecret(name) ? [{ value: Buffer.from(value), invalidate: false }] : [],
  );
  return new SecretMask([...secrets.values(), ...telling]);
}

/** What of a request is kept. Secrets and ssh agents are not; values of arguments with telling names are masked (D153). */
export function recordedRequest(request: CompleteRequest, mask: SecretMask): RecordedRequest {
  return {
    context: mask.text(contextText(request)),
    target: request.target,
    tags: request.tags,
    platforms: request.platforms.map(formatPlatform),
    buildArgs: Object.fromEntries(
      Object.entries(request.buildArgs).map(([name, value]) => [
        name,
        value === undefined ? null : looksSecret(name) ? MASK : mask.text(hideCredentials(value)),
      ]),
    ),
    outputs: request.outputs.map(({ type, dest }) =>
      dest === undefined ? `type=${type}` : `type=${type},dest=${dest}`,
    ),
    noCache: request.noCache,
    noCacheFilter: request.noCacheFilter,
  };
}

function contextText({ context }: CompleteRequest): string {
  switch (context.type) {
    case "folder":
      return resolve(context.path);
    case "stream":
      return "standard input";
    case "none":
      return "none";
    default:
      return hideCredentials(context.url);
  }
}
