import { nearest } from "@tsbuild/dockerfile";
import { mistake } from "./failure.ts";
import { Stage } from "./stage.ts";

/** All stages of a compilation in order: those of the file first, then the images that `--from` names. */
export class StageTable {
  readonly stages: Stage[] = [];
  readonly #byName = new Map<string, Stage>();

  /**
   * Adds a stage; its base is the latest stage of that name before it. Names match in any case: BuildKit takes
   * `FROM Base` for an image although `--from=Base` finds the stage (D060).
   */
  add(stage: Stage): void {
    stage.index = this.stages.push(stage) - 1;
    if (!stage.implicit) stage.base = this.#byName.get(stage.baseName.toLowerCase());
    if (stage.name !== undefined) this.#byName.set(stage.name, stage);
  }

  find(name: string): Stage | undefined {
    return this.#byName.get(name.toLowerCase());
  }

  names(): string[] {
    return this.stages.map((stage) => stage.displayName).filter((name) => name !== "");
  }

  /** The stage of a `--from=N` (D061). */
  at(index: number): Stage {
    const stage = this.stages[index];
    if (stage === undefined || stage.implicit)
      throw mistake(
        `there is no stage number ${index}`,
        "stages count from 0, and only earlier ones can be used",
      );
    return stage;
  }

  /** The stage to build (D069): by name, else by number; without a name the last one. */
  target(name: string | undefined): Stage {
    if (name === undefined || name === "") return this.stages.at(-1) as Stage;
    const byNumber = /^\d+$/.test(name) ? this.stages[Number(name)] : undefined;
    const stage = this.find(name) ?? byNumber;
    if (stage !== undefined) return stage;
    const names = this.stages.flatMap((one) => (one.implicit ? [] : [one.name ?? String(one.index)]));
    const near = nearest(name, names);
    const hint = near === undefined ? `stages: ${names.join(", ")}` : `did you mean ${near}?`;
    throw mistake(`there is no stage ${JSON.stringify(name)} to build`, hint);
  }

  /** A new entry for an image or named context that some `--from` names. */
  implicit(from: string, range: Stage["range"]): Stage {
    const stage = new Stage({ baseName: from, displayName: "", range, implicit: true });
    this.add(stage);
    return stage;
  }
}

/** The target and everything that it is FROM or takes files from (D068). */
export function reachableFrom(target: Stage): Set<Stage> {
  const reached = new Set<Stage>([target]);
  for (const stage of reached) {
    // A stage that a named context stands in for runs nothing, so it needs nothing.
    if (stage.replacement !== undefined) continue;
    if (stage.base !== undefined) reached.add(stage.base);
    for (const need of stage.needs.keys()) reached.add(need);
  }
  return reached;
}
