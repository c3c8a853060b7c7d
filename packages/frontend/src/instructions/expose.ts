import { isIP } from "node:net";
import { type ExposeInstruction, expandWords } from "@tsbuild/dockerfile";
import { mistake } from "../failure.ts";
import { plainList } from "../go-format.ts";
import { setKeys } from "./config-table.ts";
import type { Step } from "./step.ts";

const HINT = "write a port as NUMBER[-NUMBER][/tcp|udp|sctp], e.g. 8080 or 5000-5010/udp";

interface PortSpec {
  readonly ip: string;
  readonly hostPort: string;
  readonly containerPort: string;
  readonly protocol: string;
}

/** Takes `[ip:][hostPort:]containerPort[/protocol]` apart (D120). */
function splitSpec(text: string): PortSpec {
  const parts = text.split(":");
  const container = parts.pop() as string;
  const hostPort = parts.pop() ?? "";
  const slash = container.indexOf("/");
  const containerPort = slash < 0 ? container : container.slice(0, slash);
  const protocol = slash < 0 ? "" : container.slice(slash + 1);
  return { ip: parts.join(":"), hostPort, containerPort, protocol: protocol === "" ? "tcp" : protocol };
}

function portNumber(text: string, spec: string): number {
  const port = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(port >= 0 && port <= 65535))
    throw mistake(`${JSON.stringify(text)} in EXPOSE ${spec} is not a port from 0 to 65535`, HINT);
  return port;
}

/** First and last port of `N` or `N-M`. */
function portRange(text: string, spec: string): [number, number] {
  const dash = text.indexOf("-");
  const start = portNumber(dash < 0 ? text : text.slice(0, dash), spec);
  const end = dash < 0 ? start : portNumber(text.slice(dash + 1), spec);
  if (end < start) throw mistake(`the range ${text} in EXPOSE ${spec} ends before it starts`, HINT);
  return [start, end];
}

/** The part before the container's port says nothing about an image; it must still make sense. */
function checkHostPart({ ip, hostPort }: PortSpec, count: number, spec: string): void {
  const address = /^\[(.*)\]$/.exec(ip)?.[1] ?? ip;
  if (address !== "" && isIP(address) === 0)
    throw mistake(`${JSON.stringify(ip)} in EXPOSE ${spec} is not an IP address`, HINT);
  if (hostPort === "") return;
  const [start, end] = portRange(hostPort, spec);
  if (count > 1 && end - start + 1 !== count)
    throw mistake(`the ranges of host and container in EXPOSE ${spec} differ in length`, HINT);
}

function ports(step: Step<ExposeInstruction>, text: string): string[] {
  const spec = splitSpec(text);
  const protocol = spec.protocol.toLowerCase();
  if (spec.containerPort === "") throw mistake(`EXPOSE ${text} has no port`, HINT);
  if (!["tcp", "udp", "sctp"].includes(protocol))
    throw mistake(`${JSON.stringify(spec.protocol)} in EXPOSE ${text} is not a protocol`, HINT);
  if (protocol !== spec.protocol)
    step.lint("ExposeProtoCasing", `the protocol of EXPOSE ${text} should be in lower case`);
  if (spec.ip !== "" || spec.hostPort !== "")
    step.lint("ExposeInvalidFormat", `EXPOSE ${text}: an address or host port has no effect in an image`);
  const [start, end] = portRange(spec.containerPort, text);
  const count = end - start + 1;
  checkHostPart(spec, count, text);
  return Array.from({ length: count }, (_, index) => `${start + index}/${protocol}`);
}

/** EXPOSE: words expand and split again, ranges become single ports (D120). */
export function expose(step: Step<ExposeInstruction>): void {
  const { command, build, context } = step;
  const words = command.ports.flatMap((port) => expandWords(port, build.env, context.wordOptions).words);
  const exposed = words.flatMap((word) => ports(step, word));
  const { config } = build.image;
  config.ExposedPorts = setKeys(
    config.ExposedPorts,
    exposed.map((port) => [port, {}] as const),
  );
  build.addHistory(`EXPOSE ${plainList(exposed)}`);
}
