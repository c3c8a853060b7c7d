import { limits } from "@tsbuild/base";
import { textError } from "./error.ts";

/** Refuses text that grows beyond a whole Dockerfile: `ENV a=$a$a` doubles it with every line. */
export function refuseLong(length: number): void {
  if (length <= limits.dockerfileBytes) return;
  throw textError(
    `the text is longer than ${limits.dockerfileBytes / 1024 / 1024} MiB when its variables are filled in`,
    "does a variable contain itself several times?",
  );
}
