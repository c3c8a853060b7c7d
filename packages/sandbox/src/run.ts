import { checkProfile } from "./apparmor.ts";
import { StepCgroups } from "./cgroup.ts";
import { removeOrphanedGroups } from "./cgroup-orphans.ts";
import { planCgroups, unplacedLimits } from "./cgroup-plan.ts";
import { deviceFilter } from "./device-filter.ts";
import { deviceGroup, deviceRules, mayFilterDevices } from "./device-group.ts";
import { canConnectOnDemand, type HostFacts, readHostFacts } from "./host.ts";
import { type RuntimeSpec, toRuntimeSpec } from "./oci-spec.ts";
import { canceled, outcomeOf, setupError } from "./outcome.ts";
import { type Performed, perform } from "./perform.ts";
import { compilePlan, type PlanContext } from "./plan.ts";
import { tellRefused } from "./refused-limits.ts";
import type { ExecIo, ExecOutcome, ExecSpec, Sandbox } from "./spec.ts";
import { type FirstHalf, splitPlan } from "./split-plan.ts";
import { type DescriptorSockets, StepStarter } from "./step-starter.ts";
import { type StartSupervisor, spawnSupervisor } from "./supervisor.ts";
import { SeparateNamespaces } from "./user-namespaces.ts";

/** What keeps a step's device nodes shut: a group of v1, a program of v2, or, without either, `nodev` on every mount. */
type DeviceGuard =
  | { readonly kind: "group"; readonly file: string }
  | { readonly kind: "filter"; readonly program: Uint8Array }
  | undefined;

class NativeSandbox implements ClosableSandbox {
  readonly #options: SandboxOptions;
  #host: HostFacts | undefined;
  /** False once the kernel, or a group above, has refused a program. */
  #filters = true;
  #swept = false;

  readonly #starter: StepStarter | undefined;
  readonly #namespaces: SeparateNamespaces;
  readonly #start: StartSupervisor;
  /** Of steps that were expected, by what these are made of. */
  readonly #firstHalves = new Map<string, FirstHalf | undefined>();

  constructor(options: SandboxOptions) {
    const { binary, host, sockets } = options;
    this.#options = options;
    this.#host = host;
    this.#namespaces = new SeparateNamespaces(binary);
    this.#starter = sockets === undefined ? undefined : new StepStarter(binary, sockets);
    this.#start = this.#starter?.start ?? spawnSupervisor(binary);
  }

  close(): void {
    this.#starter?.close();
    this.#namespaces.close();
  }

  get connectsOnDemand(): boolean {
    return canConnectOnDemand(this.#facts());
  }

  async run(spec: ExecSpec, io: ExecIo): Promise<ExecOutcome> {
    if (io.signal.aborted) throw canceled();
    const host = this.#facts();
    checkProfile(spec, host);
    const sees = host.hidden?.includes("proc") === true && spec.security === "sandbox";
    if (!sees || spec.userNamespace !== undefined) return this.#runOne(spec, host, io);
    return this.#namespaces.use(
      (why) =>
        io.onNotice?.(
          `steps at the same time can look into each other: no user namespaces for them (${why})`,
        ),
      (userNamespace) => this.#runOne({ ...spec, userNamespace }, host, io),
    );
  }

  expect(spec: ExecSpec): void {
    if (this.#starter === undefined) return;
    const { security, network, shmSizeBytes, cgroup } = spec;
    const key = JSON.stringify([security, network, shmSizeBytes, cgroup]);
    const known = this.#firstHalves.has(key) ? this.#firstHalves.get(key) : this.#firstHalf(spec);
    this.#firstHalves.set(key, known);
    if (known !== undefined) this.#starter.expect(known);
  }

  /** Undefined where groups are the step's own. */
  #firstHalf(spec: ExecSpec): FirstHalf | undefined {
    const host = this.#facts();
    if (host.hidden?.includes("proc") === true) return undefined;
    const runtime = toRuntimeSpec(spec, host);
    const guard = this.#deviceGuard(spec, host);
    const { resources, cgroupsPath } = runtime.linux;
    const plans = planCgroups(host.cgroups, cgroupsPath, { resources, always: spec.cgroup.parent !== "" });
    if (plans.length > 0 || guard?.kind === "filter") return undefined;
    /* The filter is the second half's, and is not compiled for this. */
    const { seccomp: _, ...linux } = runtime.linux;
    const context: PlanContext = {
      host,
      cgroupFiles: guard === undefined ? [] : [guard.file],
      devicesGuarded: guard !== undefined,
    };
    return splitPlan(compilePlan({ ...runtime, linux }, context))?.ahead;
  }

  async #runOne(spec: ExecSpec, host: HostFacts, io: ExecIo): Promise<ExecOutcome> {
    const runtime = toRuntimeSpec(spec, host);
    const guard = this.#deviceGuard(spec, host);
    const { resources, cgroupsPath } = runtime.linux;
    const always = spec.cgroup.parent !== "" || guard?.kind === "filter";
    const plans = planCgroups(host.cgroups, cgroupsPath, { resources, always });
    if (plans.length > 0) this.#sweep();
    const groups = new StepCgroups(plans, this.#options.onGroup);
    try {
      tellRefused(io, {
        resources,
        unplaced: unplacedLimits(host.cgroups, resources),
        refused: groups.refused,
      });
      const { plan, last } = await this.#perform({ runtime, groups, guard, spec, io });
      if (io.signal.aborted) throw canceled();
      if (last.type === "failed") throw setupError(plan, last);
      return outcomeOf(last, groups.usage());
    } finally {
      await groups.remove();
    }
  }

  /** Once, by those who make groups: the others need not look. */
  #sweep(): void {
    if (!this.#swept) removeOrphanedGroups();
    this.#swept = true;
  }

  #facts(): HostFacts {
    this.#host ??= readHostFacts();
    return this.#host;
  }

  #deviceGuard({ security }: ExecSpec, host: HostFacts): DeviceGuard {
    if (security === "insecure") return undefined;
    const file = deviceGroup(host.devices);
    if (file !== undefined) return { kind: "group", file };
    if (!this.#filters || !mayFilterDevices(host)) return undefined;
    return { kind: "filter", program: deviceFilter(deviceRules) };
  }

  async #perform(step: {
    readonly runtime: RuntimeSpec;
    readonly groups: StepCgroups;
    readonly guard: DeviceGuard;
    readonly spec: ExecSpec;
    readonly io: ExecIo;
  }): Promise<Performed> {
    const { runtime, groups, guard, spec, io } = step;
    const { cgroupFiles, group } = groups.ways;
    const context: PlanContext = {
      host: this.#facts(),
      cgroupFiles: guard?.kind === "group" ? [...cgroupFiles, guard.file] : cgroupFiles,
      group,
      deviceFilter: guard?.kind === "filter" && group !== undefined ? guard.program : undefined,
      devicesGuarded: guard?.kind === "group",
      input: spec.stdio === "input",
    };
    const plan = compilePlan(runtime, context);
    const performed = await perform(this.#start, plan, io);
    const { last } = performed;
    if (last.type !== "failed" || last.call !== "bpf") return performed;
    /* Nothing of the plan after its first line has been performed. */
    this.#filters = false;
    return this.#perform({ ...step, guard: undefined });
  }
}

export interface SandboxOptions {
  /** The program that native/sandbox/build.ts makes. */
  readonly binary: string;
  /** Hears of each control group before it is made, so that it can be removed should this process be killed. */
  readonly onGroup?: ((path: string) => void) | undefined;
  /** With these, one process starts all steps (see StepStarter): quicker from the second step on. Default: each is started by this one. */
  readonly sockets?: DescriptorSockets | undefined;
  /** The machine; by default this one. */
  readonly host?: HostFacts | undefined;
}

export interface ClosableSandbox extends Sandbox {
  expect(spec: ExecSpec): void;
  /** Ends what is kept from run to run. Nothing is lost without: it ends with this process. */
  close(): void;
}

/**
 * The native sandbox. Reads the machine's facts once; a run holds no state of its own, so any number may be under way at the same time.
 */
export function createSandbox(options: SandboxOptions): ClosableSandbox {
  return new NativeSandbox(options);
}
