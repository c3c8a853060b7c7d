/** A parsed WWW-Authenticate challenge (RFC 9110 section 11.6.1; distribution's token authentication). */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const PARAMETER = /^\s*,?\s*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/;
const SCHEME = /^[\s,]*([A-Za-z][A-Za-z0-9_-]*)(?:\s+|$)/;

/** Parses all challenges of a header, in its order. What is not a challenge ends the list. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let rest = header;
  for (let scheme = SCHEME.exec(rest); scheme !== null; scheme = SCHEME.exec(rest)) {
    const parameters: Record<string, string> = {};
    rest = rest.slice(scheme[0].length);
    for (let match = PARAMETER.exec(rest); match !== null; match = PARAMETER.exec(rest)) {
      const [whole, name = "", quoted, plain = ""] = match;
      parameters[name.toLowerCase()] = quoted === undefined ? plain : quoted.replace(/\\(.)/g, "$1");
      rest = rest.slice(whole.length);
    }
    challenges.push({ scheme: (scheme[1] ?? "").toLowerCase(), parameters });
  }
  return challenges;
}

/** The first challenge of a header. Undefined when it has none. */
export function parseChallenge(header: string): Challenge | undefined {
  return parseChallenges(header)[0];
}
