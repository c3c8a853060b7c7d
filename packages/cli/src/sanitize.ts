/**
 * Escape sequences (ECMA-48): control strings (DCS, SOS, OSC, PM, APC) up to BEL or ST, a CSI sequence, any other
 * escape, each also in its 8-bit form. An unfinished control string swallows the rest of the line, as it would on a
 * terminal.
 */
const ESCAPES =
  /(?:\x1b[PX\]^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)?|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?/g;
/** C0 and C1 controls and DEL, but not tab. */
const CONTROLS = /[\x00-\x08\x0a-\x1f\x7f-\x9f]/g;
const COLOR = /^\x1b\[[\d;:]*m$/;
const NOT_COLOR_CONTROLS = /[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f]/g;

/**
 * One line that a terminal prints as text and does not obey: logs, names and messages come from Dockerfiles, images
 * and registries, which nobody vouches for. Colours (SGR) stay when `keepColors`, closed at the end of the line.
 */
export function safeLine(line: string, keepColors = false): string {
  if (!keepColors) return line.replace(ESCAPES, "").replace(CONTROLS, "");
  const kept = line
    .replace(ESCAPES, (sequence) => (COLOR.test(sequence) ? sequence : ""))
    .replace(NOT_COLOR_CONTROLS, "");
  return kept.includes("\x1b") ? `${kept}\x1b[0m` : kept;
}

/** The same for text of several lines. */
export function safeText(text: string): string {
  return text
    .split("\n")
    .map((line) => safeLine(line))
    .join("\n");
}

/** A step's name on one line: here-documents and continuation lines have line breaks. */
export function safeName(name: string): string {
  return safeLine(name.replace(/\s*[\r\n]+\s*/g, " ")).trim();
}
