import { mistake } from "../failure.ts";

/** chmod(1)'s symbolic form: who, then operators with permissions, in clauses. */
const CLAUSE = "[ugoa]*(?:[-+=][rwxXstugo]*)+";
const SYMBOLIC = new RegExp(`^${CLAUSE}(?:,${CLAUSE})*$`);

/** `--chmod` (D101): an octal number, or symbolic text that the copy applies. Throws TSB_DOCKERFILE (no place). */
export function parseMode(text: string): number | string {
  if (/^\+?[0-7]+$/.test(text)) {
    const mode = Number.parseInt(text, 8);
    if (mode <= 0o7777) return mode;
  } else if (SYMBOLIC.test(text)) return text;
  throw mistake(
    `${JSON.stringify(text)} is not a file mode`,
    "write it in octal from 0 to 07777, or as in chmod: u=rwX,go=rX",
  );
}
