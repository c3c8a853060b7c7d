import { TsbuildError } from "@tsbuild/base";

/** Damaged bytes are told by who looks at them, who does not know whose they are: adds that. Other failures stay as they are. */
export function withPlace(error: unknown, place: string): unknown {
  if (!(error instanceof TsbuildError) || error.code !== "TSB_INTEGRITY") return error;
  return new TsbuildError(error.code, `${place}: ${error.message}`, {
    hint: error.hint ?? "the registry or something between is broken, or the image was made wrongly",
    cause: error,
  });
}
