import { isMainThread } from "node:worker_threads";

/** The program starts here, and so do its worker threads: bundled, all of it is one file. */
if (isMainThread) void import("./process.ts").then(({ runProcess }) => runProcess());
else void import("./worker.ts").then(({ runThread }) => runThread());
