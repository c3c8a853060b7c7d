/** A container as Docker makes one, for tests: root without most capabilities, and what its runtime hides of /proc. */

/** Docker's default set. */
export const KEPT =
  "chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod audit_write setfcap".split(
    " ",
  );

/** Words in front of a command: it can have these capabilities and no other. */
export function bounding(names: readonly string[]): string[] {
  const kept = ["-all", ...names.map((name) => `+${name}`)].join(",");
  return ["setpriv", "--inh-caps=-all", `--bounding-set=${kept}`];
}

/** A whole /proc that somebody on this machine has mounted elsewhere would let the kernel mount another. */
const ALONE =
  "for at in $(awk '/ - proc /{print $5}' /proc/self/mountinfo); do [ $at = /proc ] || umount -l $at; done";
const MASKED = "mount --bind /dev/null /proc/keys; mount --bind /proc/sys /proc/sys";

/** Words in front of a command: processes of its own, parts of whose /proc are hidden. `before` is run beside it, by sh. */
export function hiding(before = ":"): string[] {
  const script = `${ALONE}; ${MASKED}; ${before}; exec "$@"`;
  return ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", script, "sh"];
}
