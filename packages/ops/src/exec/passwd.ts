/** One line of /etc/passwd (passwd(5)). */
export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

const NO_ID = 2 ** 32 - 1;

function* rows(text: string): Generator<readonly string[]> {
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    yield line.split(":");
  }
}

/**
 * An id written as a number; undefined for anything else. The kernel takes 2^32 - 1 for "leave it as it is", so that a step of that user
 * would stay root, and what is larger than its 32 bits for another id.
 */
export function toId(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) && Number(text) < NO_ID ? Number(text) : undefined;
}

function matchUser(text: string, wanted: (entry: PasswdEntry) => boolean): PasswdEntry | undefined {
  for (const [name = "", , uidText, gidText, , home = ""] of rows(text)) {
    const uid = toId(uidText);
    const gid = toId(gidText);
    if (uid === undefined || gid === undefined) continue;
    const entry = { name, uid, gid, home };
    if (wanted(entry)) return entry;
  }
  return undefined;
}

export function findUser(passwd: string, name: string): PasswdEntry | undefined {
  return matchUser(passwd, (entry) => entry.name === name);
}

export function findUid(passwd: string, uid: number): PasswdEntry | undefined {
  return matchUser(passwd, (entry) => entry.uid === uid);
}

/** Number of a group by name (group(5)). */
export function findGroup(group: string, name: string): number | undefined {
  for (const [rowName, , gidText] of rows(group)) {
    const gid = toId(gidText);
    if (rowName === name && gid !== undefined) return gid;
  }
  return undefined;
}

/** Groups that list a user as a member, in file order. */
export function groupsOf(group: string, user: string): number[] {
  const gids: number[] = [];
  for (const [, , gidText, members = ""] of rows(group)) {
    const gid = toId(gidText);
    if (gid !== undefined && members.split(",").includes(user)) gids.push(gid);
  }
  return gids;
}
