import type { CheckReport, Compiled, Outline, Target } from "@tsbuild/frontend";
import type { BuildPlan, Inspection } from "./api.ts";
import { compileDockerfile } from "./compile.ts";
import type { CompleteRequest } from "./complete-request.ts";
import { readGrants } from "./grants.ts";
import { compileRequest, prepareRequest } from "./request.ts";
import type { Session } from "./session.ts";
import { openSources, useLock } from "./sources/open.ts";
import { refuseForeignSyntax } from "./syntax.ts";
import { compileTargets } from "./targets.ts";

export interface InspectOptions {
  readonly session: Session;
  readonly request: CompleteRequest;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** Reads what a build would read, and answers questions about it without running anything. */
export async function inspect({ session, request, env, signal }: InspectOptions): Promise<Inspection> {
  const grants = readGrants(request, env);
  const sources = await openSources({ session, request, env, grants, signal, emit: () => undefined });
  const prepared = await prepareRequest(request, sources, env);
  await useLock(sources, request, prepared);
  const asked = compileRequest(prepared, env);
  const { resolver } = sources;
  const { file, text } = asked;
  return {
    file,
    text,
    check: async (options): Promise<CheckReport> => {
      await refuseForeignSyntax(asked);
      return (await import("@tsbuild/frontend")).check(asked, resolver, options);
    },
    outline: async (): Promise<Outline> => {
      await refuseForeignSyntax(asked);
      return (await import("@tsbuild/frontend")).outline(asked, resolver);
    },
    targets: async (): Promise<Target[]> => (await import("@tsbuild/frontend")).listTargets({ file, text }),
    compile: (): Promise<Compiled> => compileDockerfile(session.store, asked, resolver),
    plan: async (): Promise<BuildPlan> => {
      const compiled = await compiledTargets(request, (target) =>
        compileDockerfile(session.store, { ...asked, target }, resolver),
      );
      return (await import("./plan.ts")).planBuild({
        session,
        request,
        prepared,
        sources,
        grants,
        compiled,
        signal,
      });
    },
  };
}

/** All that a build of the request would solve, as one. */
async function compiledTargets(
  request: CompleteRequest,
  compileTarget: (target: string | undefined) => Promise<Compiled>,
): Promise<Compiled> {
  const targets = await compileTargets(request, compileTarget);
  return { ...targets[0].compiled, platforms: targets.flatMap(({ platforms }) => platforms) };
}
