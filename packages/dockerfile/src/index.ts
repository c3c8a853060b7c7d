export type * from "./api.ts";
export type * from "./ast.ts";
export type * from "./ignore.ts";
export type * from "./instruction.ts";
export type * from "./mount.ts";
export type * from "./word.ts";
