import type { LineRange } from "@tsbuild/base";
import type { Outline, OutlineSecret } from "../outline.ts";
import type { Target } from "../targets.ts";
import type { Json } from "./dump-graph.ts";

/** Without what is absent, false or an empty list, and sorted by its own text where order says nothing. */
function compact(record: { readonly [key: string]: Json }): { [key: string]: Json } {
  const isSaid = (value: Json) =>
    value !== undefined && value !== false && value !== "" && !(Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(record).filter(([, value]) => isSaid(value)));
}

function lines({ start, end }: LineRange): Json {
  return [start, end];
}

function dumpSecret({ name, required, range }: OutlineSecret): Json {
  return compact({ name, required, lines: lines(range) });
}

/** An outline as plain data: `lines` of each part, nothing that is empty. */
export function dumpOutline({ name, description, args, secrets, ssh, cache }: Outline): Json {
  return compact({
    name,
    description,
    args: args.map((arg) =>
      compact({
        name: arg.name,
        description: arg.description,
        value: arg.value,
        lines: lines(arg.range),
      }),
    ),
    secrets: secrets.map(dumpSecret),
    ssh: ssh.map(dumpSecret),
    cache: cache.map(({ id, range }) => ({ id, lines: lines(range) })),
  });
}

/** Targets as plain data. */
export function dumpTargets(targets: readonly Target[]): Json[] {
  return targets.map(({ name, description, isDefault, base, platform, range }) =>
    compact({ name, description, default: isDefault, base, platform, lines: lines(range) }),
  );
}
