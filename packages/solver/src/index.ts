export { explainMiss, type MissInput, type MissSubject } from "./explain.ts";
export { type JobLimit, jobLimit } from "./job-limit.ts";
export { GENERATION_LINK, portableOp } from "./keys.ts";
export { MemoryGate, type MemoryGauge } from "./memory-gate.ts";
export { MemoryWorkLocks } from "./memory-locks.ts";
export { MemoryCacheStorage, MemoryResults } from "./memory-storage.ts";
export type * from "./ports.ts";
export { type Prediction, type PredictRequest, predict } from "./predict.ts";
export {
  type RunningSolve,
  type SolvedOutput,
  type SolvedResult,
  type SolveRequest,
  type SolveResult,
  solve,
  startSolve,
} from "./solve.ts";
export type { MemoryLimit } from "./solving.ts";
export type { Ignored, MaxAge } from "./vertex-state.ts";
