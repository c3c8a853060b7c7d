/** One command of a shell text, quotes taken off. */
export interface ShellCommand {
  readonly words: readonly string[];
  /** Its output goes into the next command. */
  readonly isPiped: boolean;
}

/** A quoted text, an escaped character, a comment, a separator, blanks, or a piece of a word. */
const TOKEN =
  /'[^']*'|"(?:\\.|[^"\\])*"|\\\r?\n|\\.|(?<=^|\s)#[^\n]*|\|\||&&|[;|&\n()]|[^\S\n]+|[^\s'"\\;|&()]+|./gs;
const SEPARATORS: ReadonlySet<string> = new Set(["||", "&&", "|", ";", "&", "\n", "(", ")"]);
/** Words in front of the program that it does not depend on. */
const PREFIX = /^(?:sudo|exec|command|then|do|else|if|while|!|\{|time|env|[A-Za-z_]\w*=.*)$/s;

/** Blanks between words, and an escaped end of line. */
function isSpace(token: string): boolean {
  return token.trim() === "" || token === "\\\n" || token === "\\\r\n";
}

function unquote(token: string): string {
  if (token.startsWith("\\")) return token.slice(1);
  // A quote that nothing ends is a token by itself.
  if (token.length < 2) return token;
  if (token.startsWith("'")) return token.slice(1, -1);
  return token.startsWith('"') ? token.slice(1, -1).replaceAll(/\\(.)/gs, "$1") : token;
}

/**
 * The commands of a shell text, roughly: no expansion, no control flow, and what is quoted stays one word. Good
 * enough to see which programs are called with which arguments, and linear in the length of the text.
 */
export function shellCommands(text: string): ShellCommand[] {
  const commands: ShellCommand[] = [];
  let words: string[] = [];
  let word: string | undefined;
  const endWord = () => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  const endCommand = (isPiped: boolean) => {
    endWord();
    const start = words.findIndex((candidate) => !PREFIX.test(candidate));
    if (start >= 0) commands.push({ words: words.slice(start), isPiped });
    words = [];
  };
  for (const [token] of text.matchAll(TOKEN)) {
    if (SEPARATORS.has(token)) endCommand(token === "|");
    else if (isSpace(token)) endWord();
    else if (!(token.startsWith("#") && word === undefined)) word = (word ?? "") + unquote(token);
  }
  endCommand(false);
  return commands;
}

/** Arguments that are no flags. */
export function operands({ words }: ShellCommand): string[] {
  return words.slice(1).filter((word) => !word.startsWith("-"));
}

/** `install` of `apt-get -y install x`; undefined for another program. */
export function aptVerb(command: ShellCommand): string | undefined {
  return /^(?:apt|apt-get|aptitude)$/.test(command.words[0]!) ? operands(command)[0] : undefined;
}
