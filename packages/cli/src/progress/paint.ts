/** A stretch of a line in one style. */
export interface Segment {
  readonly text: string;
  readonly style?: Style;
}
export type Style = "dim" | "bold" | "red" | "green" | "yellow" | "cyan";
export type Line = readonly Segment[];

/** SGR codes on and off (ECMA-48 8.3.117). */
const SGR: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

/** A line as the terminal takes it; without colours, its text alone. */
export function paint(line: Line, colors: boolean): string {
  return line
    .map(({ text, style }) => {
      if (!colors || style === undefined || text === "") return text;
      const [on, off] = SGR[style];
      return `\x1b[${on}m${text}\x1b[${off}m`;
    })
    .join("")
    .trimEnd();
}
