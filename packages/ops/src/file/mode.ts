import { TsbuildError } from "@tsbuild/base";

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

/** New permission bits of a file, given its old mode (type and bits). */
export type ModeChange = (mode: number) => number;

const CLAUSE = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/;

const WHO: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 };
const BITS: Readonly<Record<string, number>> = { r: 0o444, w: 0o222, x: 0o111, s: 0o6000, t: 0o1000 };

function whoMask(who: string): number {
  return who === "" ? 0o7777 : [...who].reduce((mask, w) => mask | (WHO[w] ?? 0), 0);
}

/** Bits that a permission list stands for; `X` is x on folders and on what someone may already execute. */
function permissionBits(list: string, mode: number): number {
  if (/^[ugo]$/.test(list)) {
    const shift = list === "u" ? 6 : list === "g" ? 3 : 0;
    const triple = (mode >> shift) & 7;
    return triple * 0o111;
  }
  let bits = 0;
  for (const letter of list) {
    const searchable = (mode & S_IFMT) === S_IFDIR || (mode & 0o111) !== 0;
    if (letter === "X") bits |= searchable ? 0o111 : 0;
    else bits |= BITS[letter] ?? 0;
  }
  return bits;
}

function applyClause(clause: string, mode: number): number {
  const match = CLAUSE.exec(clause);
  if (match === null) {
    throw new TsbuildError("TSB_DOCKERFILE", `invalid --chmod ${JSON.stringify(clause)}`, {
      hint: "write an octal mode such as 0755, or clauses such as u=rwX,go=rX",
    });
  }
  const mask = whoMask(match[1] ?? "");
  let result = mode;
  for (const step of (match[2] ?? "").match(/[-+=][^-+=]*/g) ?? []) {
    const bits = permissionBits(step.slice(1), result) & mask;
    // `=` leaves setuid, setgid and sticky alone unless the class owns them: chmod(1) of GNU clears them, so does this.
    if (step[0] === "+") result |= bits;
    else if (step[0] === "-") result &= ~bits;
    else result = (result & ~(mask & 0o7777)) | bits;
  }
  return result;
}

/** `--chmod`: octal number (-1: none) or symbolic text, which wins (D101). Undefined keeps the source's bits. */
export function modeChange(mode: number, modeStr: string): ModeChange | undefined {
  if (modeStr !== "") {
    const clauses = modeStr.split(",");
    return (old) => clauses.reduce((current, clause) => applyClause(clause, current), old) & 0o7777;
  }
  return mode < 0 ? undefined : () => mode & 0o7777;
}
