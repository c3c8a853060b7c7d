/** A parsed WWW-Authenticate challenge (RFC 9110 section 11.6.1; distribution's token authentication). */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const PARAMETER = /^\s*,?\s*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/;

/** Parses the first challenge of a header. Undefined when it has none. */
export function parseChallenge(header: string): Challenge | undefined {
  const scheme = /^\s*([A-Za-z]+)(?:\s+|$)/.exec(header);
  if (scheme?.[1] === undefined) return undefined;
  const parameters: Record<string, string> = {};
  let rest = header.slice(scheme[0].length);
  for (let match = PARAMETER.exec(rest); match !== null; match = PARAMETER.exec(rest)) {
    const [whole, name = "", quoted, plain = ""] = match;
    parameters[name.toLowerCase()] = quoted === undefined ? plain : quoted.replace(/\\(.)/g, "$1");
    rest = rest.slice(whole.length);
  }
  return { scheme: scheme[1].toLowerCase(), parameters };
}
