import { posix } from "node:path";
import type { WorkdirInstruction } from "@tsbuild/dockerfile";
import { mkdir } from "@tsbuild/llb";
import { nextStepName } from "../progress.ts";
import { ownerOf } from "./owner.ts";
import type { Step } from "./step.ts";
import { stepText } from "./step-text.ts";

/** WORKDIR: also makes the folder, owned by the current user, as a layer of its own (D116). */
export function workdir(step: Step<WorkdirInstruction>): void {
  const { command, build, context, range } = step;
  const path = step.expand(command.path);
  if (!build.workdirSet && !posix.isAbsolute(path))
    step.lint("WorkdirRelativePath", `WORKDIR ${path} depends on the working folder of the base image`);
  build.workdirSet = true;
  build.setWorkdir(path);
  const layer = build.workdir !== "/";
  if (layer) {
    const { User: user } = build.image.config;
    const epoch = context.epochSeconds;
    const actions = mkdir(build.workdir, {
      makeParents: true,
      ...(user ? { owner: ownerOf(user) } : {}),
      ...(epoch === undefined ? {} : { timestampNs: BigInt(epoch) * 1_000_000_000n }),
    });
    const name = nextStepName(build.stage, stepText(step), {
      platform: context.multiPlatform ? build.platform : undefined,
      env: build.env,
    });
    build.state = build.state.file(actions, { name, lines: [range] });
  }
  build.addHistory(`WORKDIR ${build.workdir}`, layer);
}
