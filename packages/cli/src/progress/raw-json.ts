import type { BuildEvent, SourceLocation, VertexDigest, VertexInfo } from "@tsbuild/base";
import type { Printer } from "./printer.ts";
import { type BuildState, initialState, reduceBuild, stepOf } from "./state.ts";

/** JSON forms of BuildKit's client.SolveStatus (C041); Go's byte slices are base64, empty fields are left out. */
interface RawVertex {
  readonly digest: VertexDigest;
  readonly inputs?: readonly VertexDigest[];
  readonly name?: string;
  readonly started?: string;
  readonly completed?: string;
  readonly cached?: true;
  readonly error?: string;
  readonly progressGroup?: { readonly id: string; readonly name: string };
}

/** One SolveStatus a line; a reader merges the vertexes by digest. */
export class RawJsonPrinter implements Printer {
  #state: BuildState = initialState;
  readonly #vertexes = new Map<VertexDigest, RawVertex>();

  print(event: BuildEvent): string {
    this.#state = reduceBuild(this.#state, event);
    const status = this.#solveStatus(event);
    return status === undefined ? "" : `${JSON.stringify(status)}\n`;
  }

  tick(): string {
    return "";
  }

  finish(): string {
    return "";
  }

  #solveStatus(event: BuildEvent): object | undefined {
    switch (event.type) {
      case "graph":
        return { vertexes: event.vertices.map((vertex) => this.#merge(vertex.digest, describe(vertex))) };
      case "vertex-started":
        return this.#vertex(event.vertex.digest, { ...describe(event.vertex), started: time(event.at) });
      case "vertex-cached":
        return this.#vertex(event.vertex, { completed: time(event.at), cached: true });
      case "vertex-completed":
        return this.#vertex(event.vertex, { completed: time(event.at) });
      case "vertex-failed": {
        const error = event.canceled ? "context canceled" : event.error.message;
        return this.#vertex(event.vertex, { completed: time(event.at), error });
      }
      case "status":
        return { statuses: [this.#status(event)] };
      case "log":
        return { logs: [log(event)] };
      case "warning":
        return { warnings: [warning(event)] };
      default:
        return undefined;
    }
  }

  #vertex(digest: VertexDigest, change: Partial<RawVertex>): object {
    return { vertexes: [this.#merge(digest, change)] };
  }

  #merge(digest: VertexDigest, change: Partial<RawVertex>): RawVertex {
    const merged = { digest, ...this.#vertexes.get(digest), ...change };
    this.#vertexes.set(digest, merged);
    return merged;
  }

  #status(event: Extract<BuildEvent, { type: "status" }>): object {
    const step = stepOf(this.#state, event.vertex);
    const transfer = step?.transfers.find((candidate) => candidate.id === event.id);
    const total = event.total ?? transfer?.total;
    return {
      id: event.id,
      vertex: event.vertex,
      ...(total === undefined || total === 0 ? {} : { total }),
      current: event.current,
      timestamp: time(event.at),
      started: time(transfer?.startedAt ?? event.at),
      ...(event.done === true ? { completed: time(event.at) } : {}),
    };
  }
}

/** RFC 3339 in UTC, as Go's time.Time is written. */
function time(at: number): string {
  return new Date(at).toISOString();
}

function base64(data: Uint8Array | string): string {
  return (
    typeof data === "string" ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.length)
  ).toString("base64");
}

function describe(vertex: VertexInfo): Partial<RawVertex> {
  return {
    ...(vertex.inputs.length === 0 ? {} : { inputs: vertex.inputs }),
    name: vertex.name,
    ...(vertex.group === undefined
      ? {}
      : { progressGroup: { id: vertex.group.id, name: vertex.group.name } }),
  };
}

function log(event: Extract<BuildEvent, { type: "log" }>): object {
  return { vertex: event.vertex, stream: event.stream, data: base64(event.data), timestamp: time(event.at) };
}

function warning(event: Extract<BuildEvent, { type: "warning" }>): object {
  const short = event.rule === undefined ? event.message : `${event.rule}: ${event.message}`;
  return {
    ...(event.vertex === undefined ? {} : { vertex: event.vertex }),
    level: 1,
    short: base64(short),
    ...(event.detail === undefined ? {} : { detail: event.detail.map(base64) }),
    ...(event.url === undefined ? {} : { url: event.url }),
    ...(event.file === undefined ? {} : { sourceInfo: { filename: event.file } }),
    ...(event.ranges === undefined ? {} : { range: event.ranges.map(range) }),
  };
}

/** solver/pb.Range: lines from 1, whole lines. */
function range(lines: SourceLocation["ranges"][number]): object {
  return { start: { line: lines.start }, end: { line: lines.end } };
}
