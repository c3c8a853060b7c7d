export type * from "./op.ts";
