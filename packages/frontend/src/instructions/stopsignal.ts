import { nearest, type StopsignalInstruction } from "@tsbuild/dockerfile";
import { mistake } from "../failure.ts";
import type { Step } from "./step.ts";

const NAMES = new Set(
  (
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM " +
    "TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX"
  ).split(" "),
);

function isSignal(signal: string): boolean {
  if (/^[+-]?\d+$/.test(signal)) return Number(signal) !== 0;
  const name = signal.toUpperCase().replace(/^SIG/, "");
  const realtime = /^RTM(?:IN\+(\d+)|AX-(\d+))$/.exec(name);
  if (realtime === null) return NAMES.has(name);
  return realtime[1] === undefined ? Number(realtime[2]) <= 14 : Number(realtime[1]) <= 15;
}

/** STOPSIGNAL: a number or a name, with or without SIG (D126). */
export function stopsignal({ command, build, expand }: Step<StopsignalInstruction>): void {
  const signal = expand(command.signal);
  if (!isSignal(signal)) {
    const near = nearest(signal.toUpperCase().replace(/^SIG/, ""), NAMES);
    const hint = near === undefined ? "use a number or a name like SIGTERM" : `did you mean SIG${near}?`;
    throw mistake(`there is no signal ${JSON.stringify(signal)}`, hint);
  }
  build.image.config.StopSignal = signal;
  build.addHistory(`STOPSIGNAL ${signal}`);
}
