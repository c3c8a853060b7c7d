import { formatPlatform } from "@tsbuild/base";
import type { GraphDump } from "@tsbuild/engine/debug";
import type { ParsedFlags } from "../flags/parse.ts";
import { oneOf } from "../flags/values.ts";
import { graphDot, graphMermaid } from "../graph/diagrams.ts";
import { graphTree } from "../graph/tree.ts";
import type { CommandIo } from "../io.ts";
import { withInspection } from "./inspect-request.ts";

const FORMATS = {
  tree: graphTree,
  mermaid: graphMermaid,
  dot: graphDot,
  json: (dump: GraphDump) => `${JSON.stringify(dump, undefined, 2)}\n`,
} as const;

/** `tsbuild graph`: the graph of each platform to standard output. */
export async function graph(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const names = Object.keys(FORMATS) as (keyof typeof FORMATS)[];
  const format = oneOf("--format", flags.last("format") ?? "tree", names);
  const { platforms } = await withInspection(flags, io, async (inspect) => (await inspect()).compile());
  const { dumpGraph } = await import("@tsbuild/engine/debug");
  for (const platform of platforms) {
    if (platforms.length > 1 && format === "tree") io.stdout.write(`${formatPlatform(platform.platform)}\n`);
    io.stdout.write(FORMATS[format](dumpGraph(platform.graph)));
  }
  return 0;
}
