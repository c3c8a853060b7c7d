import { TsbuildError } from "@tsbuild/base";

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

/** New permission bits of a file, given its old mode (type and bits). */
export type ModeChange = (mode: number) => number;

const CLAUSE = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/;

const STICKY = 0o1000;
const WHO: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o0007, a: 0o6777 };
const BITS: Readonly<Record<string, number>> = { r: 0o444, w: 0o222, x: 0o111, s: 0o6000, t: STICKY };

/**
 * Bits that a step of a clause may change. The sticky bit belongs to no class, as with setmode(3) of the BSDs: a step that names it
 * changes it (`o+t`, for others alone, does not), any other leaves it. chmod(1) of GNU lets `o=` clear it.
 */
function changeable(who: string, list: string): number {
  const mask = who === "" ? 0o6777 : [...who].reduce((bits, w) => bits | (WHO[w] ?? 0), 0);
  return list.includes("t") && (mask & ~0o007) !== 0 ? mask | STICKY : mask;
}

/** Bits that a permission list stands for; `X` is x on folders and on what someone could execute before anything was changed. */
function permissionBits(list: string, { before, now }: { before: number; now: number }): number {
  if (/^[ugo]$/.test(list)) {
    const shift = list === "u" ? 6 : list === "g" ? 3 : 0;
    const triple = (now >> shift) & 7;
    return triple * 0o111;
  }
  let bits = 0;
  for (const letter of list) {
    const searchable = (before & S_IFMT) === S_IFDIR || (before & 0o111) !== 0;
    if (letter === "X") bits |= searchable ? 0o111 : 0;
    else bits |= BITS[letter] ?? 0;
  }
  return bits;
}

function applyClause(clause: string, mode: { before: number; now: number }): number {
  const match = CLAUSE.exec(clause);
  if (match === null) {
    throw new TsbuildError("TSB_DOCKERFILE", `invalid --chmod ${JSON.stringify(clause)}`, {
      hint: "write an octal mode such as 0755, or clauses such as u=rwX,go=rX",
    });
  }
  let result = mode.now;
  for (const step of (match[2] ?? "").match(/[-+=][^-+=]*/g) ?? []) {
    const list = step.slice(1);
    const mask = changeable(match[1] ?? "", list);
    const bits = permissionBits(list, { before: mode.before, now: result }) & mask;
    if (step[0] === "+") result |= bits;
    else if (step[0] === "-") result &= ~bits;
    else result = (result & ~mask) | bits;
  }
  return result;
}

/** `--chmod`: octal number (-1: none) or symbolic text, which wins (D101). Undefined keeps the source's bits. */
export function modeChange(mode: number, modeStr: string): ModeChange | undefined {
  if (modeStr !== "") {
    const clauses = modeStr.split(",");
    return (before) => clauses.reduce((now, clause) => applyClause(clause, { before, now }), before) & 0o7777;
  }
  return mode < 0 ? undefined : () => mode & 0o7777;
}
