import type { OnbuildInstruction } from "../instruction.ts";
import { readFlags } from "./flags.ts";
import { base, fail, type Reading } from "./reading.ts";

const FORBIDDEN: ReadonlySet<string> = new Set(["ONBUILD", "FROM", "MAINTAINER"]);

/**
 * ONBUILD (FEATURES D128). Of the trigger only the keyword is checked: it fires in builds of other images, with
 * their rules (`parseTrigger`).
 */
export function readOnbuild(reading: Reading): OnbuildInstruction {
  const { trigger } = reading.node;
  if (trigger === undefined)
    throw fail(reading, "ONBUILD needs an instruction", "for example: ONBUILD COPY . /src");
  readFlags(reading, {});
  const keyword = trigger.keyword.toUpperCase();
  if (FORBIDDEN.has(keyword)) throw fail(reading, `ONBUILD ${keyword} is not allowed`);
  return { ...base(reading, "onbuild"), expression: expression(reading) };
}

/** The trigger as text that can be parsed again. */
function expression({ node }: Reading): string {
  const bodies = node.heredocs.map((heredoc) => `\n${heredoc.content}${heredoc.name}`);
  return node.original.replace(/^\s*ONBUILD\s*/i, "") + bodies.join("");
}
