import { type BuildEvent, sha256, TsbuildError, type VertexDigest } from "@tsbuild/base";

type Emit = (event: BuildEvent) => void;

/** The name of such a step; targets beside the first are named, so that theirs are told apart. */
export function stepTitle(title: string, target: string | undefined): string {
  return target === undefined ? title : `${title} of ${target}`;
}

/** Shows a piece of work that is no vertex of the graph (resolving names, exporting) as a step of its own. */
export async function asStep<T>(
  emit: Emit,
  name: string,
  work: (tell: StepProgress, log: (line: string) => void) => Promise<T>,
): Promise<T> {
  const vertex = sha256(`step ${name}`) as string as VertexDigest;
  emit({
    type: "vertex-started",
    at: Date.now(),
    vertex: { digest: vertex, name, inputs: [], internal: true },
  });
  try {
    const result = await work(
      (status) => emit({ type: "status", at: Date.now(), vertex, ...status }),
      (line) =>
        emit({ type: "log", at: Date.now(), vertex, stream: 1, data: new TextEncoder().encode(`${line}\n`) }),
    );
    emit({ type: "vertex-completed", at: Date.now(), vertex });
    return result;
  } catch (error) {
    const failure =
      error instanceof TsbuildError ? error : new TsbuildError("TSB_EXPORT", String(error), { cause: error });
    emit({
      type: "vertex-failed",
      at: Date.now(),
      vertex,
      error: failure,
      canceled: failure.code === "TSB_CANCELED",
    });
    throw error;
  }
}

export type StepProgress = (status: {
  readonly id: string;
  readonly current: number;
  readonly total?: number | undefined;
  readonly done?: boolean | undefined;
}) => void;
