import type { DockerfileProgram } from "@tsbuild/dockerfile";
import type { Linter } from "../linter.ts";
import { addWithoutChecksum } from "./add-without-checksum.ts";
import { aptListsKept } from "./apt-lists-kept.ts";
import { aptUpdateAlone } from "./apt-update-alone.ts";
import { aptWithoutYes } from "./apt-without-yes.ts";
import { argBeforeUse } from "./arg-before-use.ts";
import { cacheMountOwner } from "./cache-mount-owner.ts";
import { cdHasNoEffect } from "./cd-has-no-effect.ts";
import { commandInOneString } from "./command-in-one-string.ts";
import { copyBeforeInstall } from "./copy-before-install.ts";
import { deletedInLaterLayer } from "./deleted-in-later-layer.ts";
import { expandedFrom } from "./expanded-from.ts";
import { floatingBaseTag } from "./floating-base-tag.ts";
import { heredocWithoutErrexit } from "./heredoc-without-errexit.ts";
import { jsonFormMistake } from "./json-form-mistake.ts";
import type { OwnRule } from "./own-rule.ts";
import { pipeHidesFailure } from "./pipe-hides-failure.ts";
import { secretValue } from "./secret-value.ts";
import { unknownPragma } from "./unknown-pragma.ts";

/** Rules that BuildKit does not have; `# check=skip=NAME` silences them as any other. */
export const OWN_RULES: readonly OwnRule[] = [
  addWithoutChecksum,
  aptListsKept,
  aptUpdateAlone,
  aptWithoutYes,
  argBeforeUse,
  cacheMountOwner,
  cdHasNoEffect,
  commandInOneString,
  copyBeforeInstall,
  deletedInLaterLayer,
  expandedFrom,
  floatingBaseTag,
  heredocWithoutErrexit,
  jsonFormMistake,
  pipeHidesFailure,
  secretValue,
  unknownPragma,
];

/** Lets all of them look at a file. */
export function checkOwnRules(program: DockerfileProgram, linter: Linter): void {
  for (const rule of OWN_RULES)
    rule.check(program, (instruction, message, range = instruction.range) =>
      linter.within(instruction.comments).reportOwn(rule.name, message, range),
    );
}
