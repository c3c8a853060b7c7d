import type { FromInstruction } from "../instruction.ts";
import { readFlags } from "./flags.ts";
import { base, docComments, fail, type Reading } from "./reading.ts";

const STAGE_NAME = /^[a-z][a-z0-9-_.]*$/;

/** `FROM [--platform=p] base [AS name]` (FEATURES D058, D059). */
export function readFrom(reading: Reading): FromInstruction {
  const { node } = reading;
  const stageName = readStageName(reading);
  const flags = readFlags(reading, { platform: "text" });
  const doc = stageName === undefined ? undefined : docComments(node.prevComment).get(stageName);
  return {
    ...base(reading, "from"),
    base: node.args[0]!.text,
    ...(stageName === undefined ? {} : { stageName }),
    ...(flags.platform === undefined ? {} : { platform: flags.platform }),
    ...(!doc ? {} : { doc }),
  };
}

function readStageName(reading: Reading): string | undefined {
  const [image, as, name, ...more] = reading.node.args;
  if (image === undefined)
    throw fail(reading, "FROM needs an image", "for example: FROM debian:stable AS build");
  if (as === undefined) return undefined;
  if (as.text.toLowerCase() !== "as" || name === undefined || more.length > 0) {
    const hint = 'write "FROM image" or "FROM image AS name"';
    throw fail(
      reading,
      `FROM ${image.text} is followed by ${JSON.stringify(as.text)}, not by AS and one name`,
      hint,
      as,
    );
  }
  const stageName = name.text.toLowerCase();
  if (STAGE_NAME.test(stageName)) return stageName;
  const hint =
    "a name starts with a letter and has letters, digits, - _ and . only; variables are not expanded";
  throw fail(reading, `${JSON.stringify(name.text)} is no name for a stage`, hint, name);
}
