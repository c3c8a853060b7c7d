import { limits, TsbuildError } from "@tsbuild/base";
import type { NativeFs } from "@tsbuild/native-fs";
import type { ExecUser } from "@tsbuild/sandbox";
import { findGroup, findUid, findUser, groupsOf, type PasswdEntry, toId } from "./passwd.ts";

/** The user of a step, with what its environment needs. */
export interface StepUser extends ExecUser {
  /** From passwd; `/` when it has no entry (B011). */
  readonly home: string;
}

function readTable(fs: NativeFs, root: number, path: string): string {
  return fs.readFileInRoot(root, path, limits.passwdBytes)?.toString("utf8") ?? "";
}

function unknown(kind: "user" | "group", name: string): TsbuildError {
  const file = kind === "user" ? "/etc/passwd" : "/etc/group";
  if (/^\d+$/.test(name)) {
    return new TsbuildError("TSB_EXEC", `there is no ${kind} ${name}: ids end at 4294967294`, {
      hint: `use a smaller number, or the name of a ${kind} in the image's ${file}`,
    });
  }
  return new TsbuildError(
    "TSB_EXEC",
    `unable to find ${kind} ${JSON.stringify(name)}: no such entry in the image's ${file}`,
    {
      hint: `add it in an earlier step (RUN ${kind === "user" ? "useradd" : "groupadd"} ${name}), or use a number`,
    },
  );
}

function resolveName(
  passwd: string,
  text: string,
): { readonly entry: PasswdEntry | undefined; readonly uid: number } {
  const byName = findUser(passwd, text);
  if (byName !== undefined) return { entry: byName, uid: byName.uid };
  const uid = toId(text);
  if (uid === undefined) throw unknown("user", text);
  return { entry: findUid(passwd, uid), uid };
}

/**
 * Who a step runs as (D117, B014), from the root filesystem's own passwd and group:
 * - "" is root; a name gives uid, primary gid and supplementary groups;
 * - a bare number does the same when passwd knows it, else its gid is 0;
 * - `user:group` really uses that group and no supplementary ones.
 * The gid is one of the supplementary groups as well, as after a login: else a program that changes its gid (setgid) leaves a
 * group that a file's mode may deny (CVE-2023-25173).
 */
export function resolveStepUser(fs: NativeFs, root: number, user: string): StepUser {
  const passwd = readTable(fs, root, "etc/passwd");
  const [name = "", groupText] = user.split(":", 2);
  const { entry, uid } = resolveName(passwd, name === "" ? "0" : name);
  const home = entry?.home || "/";
  if (groupText !== undefined && groupText !== "") {
    const gid = findGroup(readTable(fs, root, "etc/group"), groupText) ?? toId(groupText);
    if (gid === undefined) throw unknown("group", groupText);
    return { uid, gid, additionalGids: [gid], home };
  }
  const gid = entry?.gid ?? 0;
  const groups = entry === undefined ? [] : groupsOf(readTable(fs, root, "etc/group"), entry.name);
  return { uid, gid, additionalGids: [...new Set([gid, ...groups])], home };
}
