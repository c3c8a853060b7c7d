/**
 * The same tests as a normal user: the vitest project `rootless` names one in TSBUILD_TEST_USER, and whatever a World starts runs
 * as that user, with the user's own folders.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

export interface TestUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** By name, from /etc/passwd. */
export function userNamed(name: string): TestUser {
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  const [, , uid, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(":") ?? [];
  if (uid === undefined || gid === undefined) throw new Error(`${name} is not in /etc/passwd`);
  return { name, uid: Number(uid), gid: Number(gid) };
}

/** Whom this run of the tests is for; undefined: root. */
export function testUser(): TestUser | undefined {
  const name = process.env["TSBUILD_TEST_USER"];
  return name === undefined ? undefined : userNamed(name);
}

/** Why a test cannot hold for a normal user; undefined when root runs it. For `test.skipIf`. */
export function notAsUser(why: string): string | undefined {
  return process.env["TSBUILD_TEST_USER"] === undefined ? undefined : why;
}

/**
 * Words in front of a command that make it the user's, in a mount namespace where /dev/net/tun has the mode that udev gives it
 * (0666), whatever it has here. By full paths: tests change PATH.
 */
export function asUser({ uid, gid }: TestUser): string[] {
  const tun = "/bin/mount -t tmpfs -o mode=755 tun /dev/net && /bin/mknod -m 666 /dev/net/tun c 10 200";
  const namespace = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", `${tun}; exec "$@"`, "sh"];
  return [...(existsSync("/dev/net") ? namespace : []), ...identityOf({ uid, gid })];
}

/** The same in the namespaces that are there. */
export function identityOf({ uid, gid }: Pick<TestUser, "uid" | "gid">): string[] {
  return ["/usr/bin/setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
}

/**
 * Gives the user what the test, as root, has put into a folder since, as though the user had. State folders are left alone: files of
 * subordinate ids are in there. So are repositories that the test serves as somebody else.
 */
export function handOver({ uid, gid }: TestUser, folder: string, state: string): void {
  // In those of other state folders something may still be removed.
  const others = ["-path", "*/v1/syncs", "-o", "-path", "*/v1/trash"];
  const skip = ["(", "-path", `${state}/*`, "-o", "-name", "?*.git", "-o", ...others, ")", "-prune"];
  const chown = ["-user", "0", "-exec", "chown", "-h", `${uid}:${gid}`, "{}", "+"];
  const { status, stderr } = spawnSync("find", [folder, ...skip, "-o", ...chown], { encoding: "utf8" });
  if (status !== 0) throw new Error(`cannot give ${folder} to user ${uid}: ${stderr}`);
}
