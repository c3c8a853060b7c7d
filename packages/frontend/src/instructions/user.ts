import type { UserInstruction } from "@tsbuild/dockerfile";
import type { Step } from "./step.ts";

/** USER is kept as it is typed; who that is, the sandbox looks up (D117). */
export function user({ command, build, expand }: Step<UserInstruction>): void {
  const name = expand(command.user);
  build.user = name;
  build.image.config.User = name;
  build.addHistory(`USER ${name}`);
}
