export type MountType = "bind" | "cache" | "tmpfs" | "secret" | "ssh";
export type CacheSharing = "shared" | "private" | "locked";

/** A `RUN --mount`, checked, defaults that need no context applied (FEATURES D076–D085). */
export interface Mount {
  readonly type: MountType;
  /** Stage, named context or image; `""` when not given. */
  readonly from: string;
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
  /** tmpfs only; 0 when not given. */
  readonly sizeBytes: number;
  /** `id=`; `""` when not given. */
  readonly id: string;
  /** cache only. */
  readonly sharing?: CacheSharing;
  readonly required: boolean;
  /** Variable of a secret; `""` stands for the default name. */
  readonly env?: string;
  /** Permission bits. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}
