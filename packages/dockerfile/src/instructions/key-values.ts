import type {
  ArgDeclaration,
  ArgInstruction,
  EnvInstruction,
  KeyValue,
  LabelInstruction,
} from "../instruction.ts";
import { readFlags } from "./flags.ts";
import { base, docComments, fail, keywordOf, type Reading, someArgs } from "./reading.ts";

export function readEnv(reading: Reading): EnvInstruction {
  readFlags(reading, {});
  return { ...base(reading, "env"), env: keyValues(reading, "ENV NAME=value") };
}

export function readLabel(reading: Reading): LabelInstruction {
  readFlags(reading, {});
  return { ...base(reading, "label"), labels: keyValues(reading, "LABEL name=value") };
}

function keyValues(reading: Reading, example: string): KeyValue[] {
  const args = someArgs(reading, example);
  const pairs: KeyValue[] = [];
  for (let index = 0; index + 2 < args.length; index += 3) {
    const key = args[index]!;
    if (key.text === "")
      throw fail(reading, `${keywordOf(reading)} has a value without a name`, `for example: ${example}`, key);
    pairs.push({ key: key.text, value: args[index + 1]!.text, legacy: args[index + 2]!.text === "" });
  }
  return pairs;
}

/** ARG takes no flags; words that look like some are passed over, as everyone does. */
export function readArg(reading: Reading): ArgInstruction {
  const docs = docComments(reading.node.prevComment);
  const args = someArgs(reading, "ARG NAME=default").map((word): ArgDeclaration => {
    const equals = word.text.indexOf("=");
    if (equals === 0)
      throw fail(reading, "ARG has a value without a name", "for example: ARG NAME=default", word);
    const key = equals === -1 ? word.text : word.text.slice(0, equals);
    const doc = docs.get(key);
    return {
      key,
      ...(equals === -1 ? {} : { value: word.text.slice(equals + 1) }),
      ...(!doc ? {} : { doc }),
    };
  });
  return { ...base(reading, "arg"), args };
}
