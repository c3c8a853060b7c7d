/** A member of a hand-made archive; nothing is checked, so that it can be a bad one. */
export interface Member {
  readonly name: string;
  /** `pax`: records for the next member; `sparse`: GNU's old form, by a type of its own. */
  readonly type?: "file" | "link" | "symlink" | "folder" | "char" | "block" | "fifo" | "pax" | "sparse";
  readonly target?: string;
  readonly data?: string | Uint8Array;
  readonly mode?: number;
  /** What the header says of the data; by default the truth. */
  readonly claimedBytes?: number;
  readonly device?: readonly [major: number, minor: number];
}

const TYPES = {
  ...({ file: "0", link: "1", symlink: "2", char: "3", block: "4", folder: "5", fifo: "6" } as const),
  ...({ pax: "x", sparse: "S" } as const),
};
const BLOCK = 512;

function header(member: Member): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number): void => {
    block.write(`${value.toString(8).padStart(width - 1, "0")}\0`, at, "latin1");
  };
  block.write(member.name, 0, 100, "utf8");
  octal(member.mode ?? 0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(member.claimedBytes ?? Buffer.byteLength(member.data ?? ""), 124, 12);
  octal(1_000_000_000, 136, 12);
  block.write("        ", 148, "latin1");
  block.write(TYPES[member.type ?? "file"], 156, "latin1");
  block.write(member.target ?? "", 157, 100, "utf8");
  block.write("ustar\x0000", 257, "latin1");
  if (member.device !== undefined) {
    octal(member.device[0], 329, 8);
    octal(member.device[1], 337, 8);
  }
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** A PAX record with its own length in front. */
export function paxRecord(name: string, value: string): string {
  const rest = ` ${name}=${value}\n`;
  let size = rest.length + 1;
  while (String(size).length + rest.length !== size) size = String(size).length + rest.length;
  return `${size}${rest}`;
}

/** An archive of these members, in this order (POSIX ustar). */
export function tarOf(members: readonly Member[]): Buffer {
  const blocks = members.flatMap((member) => {
    const data = Buffer.from(member.data ?? "");
    return [header(member), data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}
