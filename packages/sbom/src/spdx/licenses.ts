import { sha256 } from "@tsbuild/base";
import exceptionIds from "spdx-exceptions/index.json" with { type: "json" };
import deprecatedIds from "spdx-license-ids/deprecated.json" with { type: "json" };
import licenseIds from "spdx-license-ids/index.json" with { type: "json" };

/** A licence that SPDX has no name for. */
export interface ExtractedLicense {
  readonly licenseId: string;
  readonly extractedText: string;
  readonly name: string;
}

const IDS = new Map([...licenseIds, ...deprecatedIds].map((id) => [id.toLowerCase(), id]));
const EXCEPTIONS = new Map(exceptionIds.map((id) => [id.toLowerCase(), id]));

/** Other names for licences, in lower case: Debian's (DEP-5), and what setup.py files say. */
const ALIASES: Readonly<Record<string, string>> = {
  expat: "MIT",
  "mit license": "MIT",
  "the mit license": "MIT",
  "mit/x11": "MIT",
  "apache 2.0": "Apache-2.0",
  "apache-2": "Apache-2.0",
  apache2: "Apache-2.0",
  "apache license 2.0": "Apache-2.0",
  "apache license, version 2.0": "Apache-2.0",
  "asl 2.0": "Apache-2.0",
  "bsd-2": "BSD-2-Clause",
  "bsd-3": "BSD-3-Clause",
  "isc license": "ISC",
  "isc license (iscl)": "ISC",
  "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
  "mplv2.0": "MPL-2.0",
  psf: "PSF-2.0",
  "python software foundation license": "PSF-2.0",
  "zope public license": "ZPL-2.1",
  artistic: "Artistic-1.0-Perl",
};

/** `GPL-2+`, `GPLv2+`, `LGPL-2.1`, `GFDL-1.3+`. */
function gnu(text: string): string | undefined {
  const match = /^(A?GPL|LGPL|GFDL)[- ]?v?(\d)(?:\.(\d))?(?:\.0)?(\+|-only|-or-later)?$/i.exec(text);
  if (match === null) return undefined;
  const [, family = "", major, minor = "0", end] = match;
  const isLater = end === "+" || end?.toLowerCase() === "-or-later";
  return IDS.get(`${family}-${major}.${minor}-${isLater ? "or-later" : "only"}`.toLowerCase());
}

function known(text: string): string | undefined {
  const lower = text.toLowerCase();
  const later = lower.endsWith("+") ? IDS.get(lower.slice(0, -1)) : undefined;
  return gnu(text) ?? IDS.get(lower) ?? ALIASES[lower] ?? (later === undefined ? undefined : `${later}+`);
}

function withException(text: string): string | undefined {
  const match = /^(.+?) with (.+)$/i.exec(text);
  if (match === null) return undefined;
  const license = known(match[1] ?? "");
  const exception = EXCEPTIONS.get((match[2] ?? "").toLowerCase());
  return license === undefined || exception === undefined ? undefined : `${license} WITH ${exception}`;
}

/**
 * Turns what packages say about their licence into expressions of SPDX (2.3, annex D). What SPDX has no name for becomes a LicenseRef,
 * whose text is kept for the document's own list.
 */
export class LicenseExpressions {
  readonly #extracted = new Map<string, ExtractedLicense>();

  /** All of `texts` hold. */
  all(texts: readonly string[]): string {
    const parts = [...new Set(texts.map((text) => this.#expression(text)))].sort();
    if (parts.length === 0) return "NOASSERTION";
    if (parts.length === 1) return parts[0] ?? "NOASSERTION";
    return parts.map((part) => (/ (?:AND|OR) /.test(part) ? `(${part})` : part)).join(" AND ");
  }

  extracted(): readonly ExtractedLicense[] {
    return [...this.#extracted.values()].sort((a, b) => (a.licenseId < b.licenseId ? -1 : 1));
  }

  #expression(text: string): string {
    const words = text.replaceAll(/,\s*(and|or)\s/gi, " $1 ");
    const tokens = words.split(/(\(|\)|\s(?:and|or)(?=[\s(])|(?<=\))(?:and|or)(?=\s)|\s*(?:\||&&)\s*)/i);
    const parts = tokens.map((token) => token.trim()).filter((token) => token !== "");
    if (!isWellFormed(parts)) return this.#reference(text);
    const written = parts.map((part) => operator(part) ?? (isParenthesis(part) ? part : this.#license(part)));
    return written.join(" ").replaceAll("( ", "(").replaceAll(" )", ")");
  }

  #license(text: string): string {
    return withException(text) ?? known(text) ?? this.#reference(text);
  }

  /** The same text has the same reference in every document. */
  #reference(text: string): string {
    const isPlain = /^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$/.test(text);
    const words = text
      .replaceAll(/[^A-Za-z0-9.]+/g, "-")
      .slice(0, 40)
      .replace(/^-|-$/g, "");
    const licenseId = `LicenseRef-${isPlain ? text : `${words}-${sha256(text).slice(-8)}`}`;
    this.#extracted.set(licenseId, { licenseId, extractedText: text, name: text });
    return licenseId;
  }
}

function isParenthesis(part: string): boolean {
  return part === "(" || part === ")";
}

function operator(part: string): string | undefined {
  if (/^and$|^&&$/i.test(part)) return "AND";
  return /^or$|^\|+$/i.test(part) ? "OR" : undefined;
}

/** Licences and operators take turns, and parentheses match. */
function isWellFormed(parts: readonly string[]): boolean {
  let depth = 0;
  let wantsLicense = true;
  for (const part of parts) {
    if (part === "(" && wantsLicense) depth += 1;
    else if (part === ")" && !wantsLicense && depth > 0) depth -= 1;
    else if (operator(part) !== undefined && !wantsLicense) wantsLicense = true;
    else if (wantsLicense && !isParenthesis(part) && operator(part) === undefined) wantsLicense = false;
    else return false;
  }
  return depth === 0 && !wantsLicense;
}
