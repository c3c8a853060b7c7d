// Generated from native/plan.def by native/sandbox/generate.ts. Do not edit.
// biome-ignore-all format: generated

/** One line of a plan: see native/plan.def for what each does. */
export type PlanOp =
  | { readonly op: "tree"; readonly source: number; readonly path: string; readonly attrs: number | bigint; readonly flags: number | bigint }
  | { readonly op: "device_filter"; readonly group: string; readonly program: Uint8Array }
  | { readonly op: "into_group"; readonly group: string }
  | { readonly op: "clone"; readonly flags: number | bigint }
  | { readonly op: "join_cgroups"; readonly paths: readonly string[] }
  | { readonly op: "unshare"; readonly flags: number | bigint }
  | { readonly op: "join_namespace"; readonly namespace: number; readonly flags: number | bigint }
  | { readonly op: "stage"; readonly folders: readonly string[] }
  | { readonly op: "await" }
  | { readonly op: "adopt"; readonly path: string }
  | { readonly op: "private_mounts" }
  | { readonly op: "root"; readonly mount: number; readonly attrs: number | bigint }
  | { readonly op: "mount"; readonly type: string; readonly options: readonly string[]; readonly dest: string; readonly attrs: number | bigint }
  | { readonly op: "bind"; readonly tree: number | bigint; readonly dest: string; readonly flags: number | bigint }
  | { readonly op: "host_tree"; readonly source: string; readonly dest: string; readonly attrs: number | bigint; readonly flags: number | bigint }
  | { readonly op: "pin"; readonly path: string; readonly attrs: number | bigint; readonly flags: number | bigint }
  | { readonly op: "mask"; readonly path: string }
  | { readonly op: "mount_attr"; readonly path: string; readonly attrs: number | bigint }
  | { readonly op: "mount_point"; readonly path: string; readonly kind: number | bigint }
  | { readonly op: "mkdir"; readonly path: string; readonly mode: number | bigint }
  | { readonly op: "mknod"; readonly path: string; readonly mode: number | bigint; readonly major: number | bigint; readonly minor: number | bigint }
  | { readonly op: "symlink"; readonly target: string; readonly path: string }
  | { readonly op: "console"; readonly uid: number | bigint }
  | { readonly op: "keep_user_namespace"; readonly namespace: number }
  | { readonly op: "enter_root" }
  | { readonly op: "hostname"; readonly name: string }
  | { readonly op: "loopback_up" }
  | { readonly op: "fork" }
  | { readonly op: "stdin_null" }
  | { readonly op: "stdin_descriptor"; readonly source: number }
  | { readonly op: "stdin_network" }
  | { readonly op: "new_session" }
  | { readonly op: "terminal" }
  | { readonly op: "session_keyring"; readonly name: string }
  | { readonly op: "apparmor"; readonly profile: string }
  | { readonly op: "rlimit"; readonly resource: number | bigint; readonly soft: number | bigint; readonly hard: number | bigint }
  | { readonly op: "join_user_namespace" }
  | { readonly op: "bounding"; readonly keep: number | bigint }
  | { readonly op: "seccomp"; readonly program: Uint8Array; readonly flags: number | bigint }
  | { readonly op: "user"; readonly uid: number | bigint; readonly gid: number | bigint; readonly groups: Uint8Array; readonly flags: number | bigint }
  | { readonly op: "capabilities"; readonly effective: number | bigint; readonly permitted: number | bigint; readonly inheritable: number | bigint }
  | { readonly op: "umask"; readonly mask: number | bigint }
  | { readonly op: "chroot"; readonly folder: number }
  | { readonly op: "chdir"; readonly path: string }
  | { readonly op: "exec"; readonly args: readonly string[]; readonly env: readonly string[] };

export type PlanArgumentKind = "fd" | "u64" | "str" | "strs" | "bytes";

/** Code on the wire and arguments in order, by operation. */
export const planOps: Readonly<
  Record<PlanOp["op"], { readonly code: number; readonly args: readonly (readonly [string, PlanArgumentKind])[] }>
> = {
  tree: { code: 0, args: [["source", "fd"], ["path", "str"], ["attrs", "u64"], ["flags", "u64"]] },
  device_filter: { code: 1, args: [["group", "str"], ["program", "bytes"]] },
  into_group: { code: 2, args: [["group", "str"]] },
  clone: { code: 3, args: [["flags", "u64"]] },
  join_cgroups: { code: 4, args: [["paths", "strs"]] },
  unshare: { code: 5, args: [["flags", "u64"]] },
  join_namespace: { code: 6, args: [["namespace", "fd"], ["flags", "u64"]] },
  stage: { code: 7, args: [["folders", "strs"]] },
  await: { code: 8, args: [] },
  adopt: { code: 9, args: [["path", "str"]] },
  private_mounts: { code: 10, args: [] },
  root: { code: 11, args: [["mount", "fd"], ["attrs", "u64"]] },
  mount: { code: 12, args: [["type", "str"], ["options", "strs"], ["dest", "str"], ["attrs", "u64"]] },
  bind: { code: 13, args: [["tree", "u64"], ["dest", "str"], ["flags", "u64"]] },
  host_tree: { code: 14, args: [["source", "str"], ["dest", "str"], ["attrs", "u64"], ["flags", "u64"]] },
  pin: { code: 15, args: [["path", "str"], ["attrs", "u64"], ["flags", "u64"]] },
  mask: { code: 16, args: [["path", "str"]] },
  mount_attr: { code: 17, args: [["path", "str"], ["attrs", "u64"]] },
  mount_point: { code: 18, args: [["path", "str"], ["kind", "u64"]] },
  mkdir: { code: 19, args: [["path", "str"], ["mode", "u64"]] },
  mknod: { code: 20, args: [["path", "str"], ["mode", "u64"], ["major", "u64"], ["minor", "u64"]] },
  symlink: { code: 21, args: [["target", "str"], ["path", "str"]] },
  console: { code: 22, args: [["uid", "u64"]] },
  keep_user_namespace: { code: 23, args: [["namespace", "fd"]] },
  enter_root: { code: 24, args: [] },
  hostname: { code: 25, args: [["name", "str"]] },
  loopback_up: { code: 26, args: [] },
  fork: { code: 27, args: [] },
  stdin_null: { code: 28, args: [] },
  stdin_descriptor: { code: 29, args: [["source", "fd"]] },
  stdin_network: { code: 30, args: [] },
  new_session: { code: 31, args: [] },
  terminal: { code: 32, args: [] },
  session_keyring: { code: 33, args: [["name", "str"]] },
  apparmor: { code: 34, args: [["profile", "str"]] },
  rlimit: { code: 35, args: [["resource", "u64"], ["soft", "u64"], ["hard", "u64"]] },
  join_user_namespace: { code: 36, args: [] },
  bounding: { code: 37, args: [["keep", "u64"]] },
  seccomp: { code: 38, args: [["program", "bytes"], ["flags", "u64"]] },
  user: { code: 39, args: [["uid", "u64"], ["gid", "u64"], ["groups", "bytes"], ["flags", "u64"]] },
  capabilities: { code: 40, args: [["effective", "u64"], ["permitted", "u64"], ["inheritable", "u64"]] },
  umask: { code: 41, args: [["mask", "u64"]] },
  chroot: { code: 42, args: [["folder", "fd"]] },
  chdir: { code: 43, args: [["path", "str"]] },
  exec: { code: 44, args: [["args", "strs"], ["env", "strs"]] },
};
