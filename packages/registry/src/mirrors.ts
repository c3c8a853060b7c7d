import { TsbuildError } from "@tsbuild/base";

/**
 * The first that has it. A mirror that lacks something is no error; when nobody has it, the error of the registry itself counts, with
 * the mirrors' beside it.
 */
export async function firstThatAnswers<P, T>(
  places: readonly P[],
  ask: (place: P) => Promise<T>,
): Promise<T> {
  const failures: TsbuildError[] = [];
  for (const place of places) {
    try {
      return await ask(place);
    } catch (error) {
      if (!(error instanceof TsbuildError) || error.code === "TSB_INTEGRITY") throw error;
      failures.push(error);
    }
  }
  const last = failures.at(-1);
  if (last === undefined || failures.length === 1) throw last;
  const mirrors = failures.slice(0, -1).map((error) => error.message);
  const message = `${last.message}; before that, ${mirrors.join("; ")}`;
  throw new TsbuildError(last.code, message, { hint: last.hint, cause: last });
}
