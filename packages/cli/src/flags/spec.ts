/** One flag. The parser, `--help` and docs/cli.md all read these tables; nothing else knows a flag. */
export interface FlagSpec {
  /** Long spelling without dashes. */
  readonly name: string;
  readonly short?: string;
  /** Placeholder of the value in help; a flag without one is a switch. */
  readonly value?: string;
  /** What stands for a value that is left out, so that it can only be given as `--flag=value`. */
  readonly bare?: string;
  /** May be given more than once; else the last one counts. */
  readonly repeat?: boolean;
  readonly group: string;
  readonly text: string;
}

export interface CommandSpec {
  readonly name: string;
  /** After `tsbuild NAME`, e.g. `[flags] PATH`. */
  readonly usage: string;
  readonly summary: string;
  readonly description?: readonly string[];
  readonly flags: readonly FlagSpec[];
  readonly examples: readonly { readonly command: string; readonly text: string }[];
  /** Flags end at the first operand: what follows belongs to the command that is run. */
  readonly flagsBeforeOperands?: boolean;
}

/** Flags that every command takes, before or after the command's name. */
export const globalFlags: readonly FlagSpec[] = [
  {
    name: "root",
    value: "FOLDER",
    group: "General",
    text: "State folder (default: $TSBUILD_ROOT, else /var/lib/tsbuild as root, else $XDG_DATA_HOME/tsbuild)",
  },
  { name: "debug", short: "D", group: "General", text: "On an error, print its causes and stacks" },
  { name: "help", short: "h", group: "General", text: "Print help" },
];

export const securityOpt: FlagSpec = {
  name: "security-opt",
  value: "apparmor=PROFILE",
  repeat: true,
  group: "Machine",
  text: "AppArmor profile that steps enter, or unconfined (default: $TSBUILD_APPARMOR_PROFILE, else tsbuild-default where it is loaded)",
};

/** How steps are run: for every command that runs some. */
export const machineFlags: readonly FlagSpec[] = [
  {
    name: "snapshotter",
    value: "KIND",
    group: "Machine",
    text: "auto, overlay or copy: overlayfs mounts or whole copies (default: $TSBUILD_SNAPSHOTTER, else auto, what works)",
  },
  {
    name: "isolation",
    value: "KIND",
    group: "Machine",
    text: "auto, sandbox or chroot: how steps are kept apart (default: $TSBUILD_ISOLATION, else auto, chroot where no namespace can be made)",
  },
  {
    name: "oci-runtime",
    value: "NAME|PATH",
    group: "Machine",
    text: "Run steps in runc, crun or another OCI runtime (default: $TSBUILD_OCI_RUNTIME, else tsbuild's own sandbox)",
  },
  securityOpt,
];
