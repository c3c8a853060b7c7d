import { mkdirSync, rmSync } from "node:fs";
import type { Random } from "../fuzz/support/random.ts";
import { BASE, type Case } from "./case.ts";
import { setting } from "./settings.ts";

/** Stages of settings alone, on each other: what is expanded where, and what a config inherits. */
export function configCase(random: Random, folder: string): Case {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const names: string[] = [];
  const lines = random.many(1, 3, () => {
    const from = names.length > 0 && random.chance(0.6) ? random.pick(names) : random.pick([BASE, "scratch"]);
    const name = `s${names.length}`;
    names.push(name);
    const first = random.pick(["ENV B=bee", "ARG B", "ARG G", "ENV empty=", "ENV A=env"]);
    return [
      `FROM ${from} AS ${name}`,
      "ARG A=foo/bar.tar.gz",
      first,
      ...random.many(2, 7, () => setting(random)),
    ];
  });
  const head = random.chance(0.3) ? ["ARG G=global"] : [];
  return {
    dockerfile: `${[...head, ...lines.flat()].join("\n")}\n`,
    buildArgs: {
      ...(random.chance(0.4) ? { A: random.pick(["cli val", "/x", "", "a'b"]) } : {}),
      ...(random.chance(0.2) ? { G: "of the command line" } : {}),
    },
  };
}
