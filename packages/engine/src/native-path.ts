import { existsSync } from "node:fs";
import { join } from "node:path";
import { TsbuildError } from "@tsbuild/base";

/** Path of a native program: beside the bundle, or in the build folder of a checkout. */
export function nativePath(name: string): string {
  const here = import.meta.dirname;
  const candidates = [join(here, name), join(here, "../../../native/build", name)];
  const found = candidates.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new TsbuildError("TSB_SANDBOX", `the program ${name} was not built`, {
    hint: "run: npx -y pnpm@12 build",
  });
}
