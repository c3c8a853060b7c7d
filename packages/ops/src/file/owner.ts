import { limits, TsbuildError } from "@tsbuild/base";
import type { Owner, UserOrId } from "@tsbuild/llb";
import type { NativeFs } from "@tsbuild/native-fs";
import { findGroup, findUser } from "../exec/passwd.ts";

/** Numbers that a file is given. */
export interface Ownership {
  readonly uid: number;
  readonly gid: number;
}

interface Lookup {
  readonly fs: NativeFs;
  /** Opens the root whose passwd and group name the owner (an input of the op). */
  readonly rootOf: (input: number) => Promise<number>;
}

function unknown(kind: "user" | "group", name: string): TsbuildError {
  return new TsbuildError(
    "TSB_CONTEXT",
    `no ${kind} named ${JSON.stringify(name)} in the image's /etc/${kind === "user" ? "passwd" : "group"}`,
    {
      hint: `create the ${kind} in an earlier RUN, or use its number, e.g. --chown=1000:1000`,
    },
  );
}

async function readTable(lookup: Lookup, input: number, path: string): Promise<string> {
  const root = await lookup.rootOf(input);
  return lookup.fs.readFileInRoot(root, path, limits.passwdBytes)?.toString("utf8") ?? "";
}

async function resolveUser(lookup: Lookup, user: UserOrId): Promise<Ownership> {
  // A number alone is also the group (D100).
  if ("id" in user) return { uid: user.id, gid: user.id };
  const found = findUser(await readTable(lookup, user.input, "etc/passwd"), user.name);
  if (found === undefined) throw unknown("user", user.name);
  return { uid: found.uid, gid: found.gid };
}

async function resolveGroup(lookup: Lookup, group: UserOrId): Promise<number> {
  if ("id" in group) return group.id;
  const gid = findGroup(await readTable(lookup, group.input, "etc/group"), group.name);
  if (gid === undefined) throw unknown("group", group.name);
  return gid;
}

/**
 * Numbers for `--chown` (D100): names are looked up in the destination's passwd and group; a missing name is an error
 * (elsewhere it silently becomes root). Undefined: keep the source's owner.
 */
export async function resolveOwner(lookup: Lookup, owner: Owner | undefined): Promise<Ownership | undefined> {
  if (owner?.user === undefined && owner?.group === undefined) return undefined;
  const user = owner.user === undefined ? { uid: 0, gid: 0 } : await resolveUser(lookup, owner.user);
  return owner.group === undefined ? user : { uid: user.uid, gid: await resolveGroup(lookup, owner.group) };
}
