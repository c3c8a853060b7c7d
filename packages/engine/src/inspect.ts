import type { CheckReport, Compiled, ImageResolver, Outline, Target } from "@tsbuild/frontend";
import type { BuildRequest, Inspection } from "./api.ts";
import { compileDockerfile } from "./compile.ts";
import { compileRequest, prepareRequest } from "./request.ts";
import type { Session } from "./session.ts";

export interface InspectOptions {
  readonly session: Session;
  readonly request: BuildRequest;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** Reads what a build would read, and answers questions about it without running anything. */
export async function inspect({ session, request, env, signal }: InspectOptions): Promise<Inspection> {
  const prepared = await prepareRequest(request, { store: session.store, signal });
  const asked = compileRequest(prepared, env);
  const resolver = await configResolver({ session, request, env, signal });
  const { file, text } = asked;
  return {
    file,
    text,
    check: async (options): Promise<CheckReport> =>
      (await import("@tsbuild/frontend")).check(asked, resolver, options),
    outline: async (): Promise<Outline> => (await import("@tsbuild/frontend")).outline(asked, resolver),
    targets: async (): Promise<Target[]> => (await import("@tsbuild/frontend")).listTargets({ file, text }),
    compile: (): Promise<Compiled> => compileDockerfile(session.store, asked, resolver),
  };
}

async function configResolver({ session, request, signal }: InspectOptions): Promise<ImageResolver> {
  const images = await session.images({ pull: request.pull, signal });
  return {
    resolve: async (name, options) => {
      const { manifest, config } = await images.resolve(name, options);
      return { digest: manifest, config };
    },
  };
}
