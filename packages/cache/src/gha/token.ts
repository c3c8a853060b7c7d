import { TsbuildError } from "@tsbuild/base";

export interface GhaScope {
  /** Such as `refs/heads/main`. */
  readonly scope: string;
  readonly writable: boolean;
}

const WRITE = 2;

function broken(why: string): TsbuildError {
  return new TsbuildError("TSB_AUTH", `the token of the GitHub cache is not usable: ${why}`, {
    hint: "it is $ACTIONS_RUNTIME_TOKEN, which only a step of a workflow has (crazy-max/ghaction-github-runtime passes it on)",
  });
}

/** The scopes that a runtime token gives, as its claim `ac` lists them. The server verifies the token; here it is only read. */
export function scopesOf(token: string): readonly GhaScope[] {
  const [, payload] = token.split(".");
  if (payload === undefined) throw broken("it is no JSON web token");
  let claims: { readonly ac?: unknown };
  let listed: unknown;
  try {
    claims = JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as typeof claims;
    listed = typeof claims.ac === "string" ? JSON.parse(claims.ac) : undefined;
  } catch {
    throw broken("it cannot be read");
  }
  if (!Array.isArray(listed)) throw broken("it names no scopes");
  return listed.flatMap((item: { readonly Scope?: unknown; readonly Permission?: unknown } | null) => {
    if (typeof item?.Scope !== "string" || typeof item.Permission !== "number") return [];
    return [{ scope: item.Scope, writable: (item.Permission & WRITE) !== 0 }];
  });
}
