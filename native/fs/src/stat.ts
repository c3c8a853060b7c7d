import type { Stat } from "./api.ts";

/** Number of values that the addon fills in for one `statInRoot`. */
export const STAT_FIELDS = 11;

/** A `Stat` of the values that `fill_stat` in addon/single_calls.c writes, in its order. */
export function statOf(values: BigInt64Array): Stat {
  return {
    mode: Number(values[0]),
    uid: Number(values[1]),
    gid: Number(values[2]),
    size: Number(values[3]),
    mtimeNs: values[4]!,
    ctimeNs: values[5]!,
    ino: BigInt.asUintN(64, values[6]!),
    dev: BigInt.asUintN(64, values[7]!),
    rdevMajor: Number(values[8]),
    rdevMinor: Number(values[9]),
    nlink: Number(values[10]),
  };
}
