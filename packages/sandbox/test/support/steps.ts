/** Runs steps on fresh roots and collects what they print. */
import { nativeFs } from "@tsbuild/native-fs";
import {
  type ClosableSandbox,
  createSandbox,
  type DescriptorSockets,
  type ExecIo,
  type ExecOutcome,
  type ExecSpec,
  type HostFacts,
} from "@tsbuild/sandbox";
import { buildSandbox } from "../../../../native/sandbox/build.ts";
import type { OverlayRoot, TestRoots } from "./rootfs.ts";
import { execSpec } from "./spec.ts";

export interface StepResult extends ExecOutcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly root: OverlayRoot;
}

export interface StepOptions {
  readonly signal?: AbortSignal;
  readonly onOutput?: (text: string) => void;
  readonly onStart?: ExecIo["onStart"];
  readonly connectNetwork?: ExecIo["connectNetwork"];
}

export class Steps {
  readonly #roots: TestRoots;
  readonly #sandbox: ClosableSandbox;

  get connectsOnDemand(): boolean {
    return this.#sandbox.connectsOnDemand;
  }

  /** `host`: a machine to take this one for. */
  constructor(roots: TestRoots, sockets: DescriptorSockets = nativeFs, host?: HostFacts) {
    this.#roots = roots;
    this.#sandbox = createSandbox({ binary: buildSandbox(), sockets, host });
  }

  close(): void {
    this.#sandbox.close();
  }

  expect(spec: ExecSpec): void {
    this.#sandbox.expect(spec);
  }

  async run(changes: Partial<ExecSpec>, options: StepOptions = {}): Promise<StepResult> {
    const root = await this.#roots.open();
    const chunks: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] };
    try {
      const outcome = await this.#sandbox.run(execSpec({ rootFd: root.fd, ...changes }), {
        stdout: (chunk) => {
          chunks.stdout.push(Buffer.from(chunk));
          options.onOutput?.(Buffer.from(chunk).toString());
        },
        stderr: (chunk) => chunks.stderr.push(Buffer.from(chunk)),
        signal: options.signal ?? new AbortController().signal,
        onStart: options.onStart,
        connectNetwork: options.connectNetwork,
      });
      const text = (parts: readonly Buffer[]): string => Buffer.concat(parts).toString();
      return { ...outcome, stdout: text(chunks.stdout), stderr: text(chunks.stderr), root };
    } finally {
      root.close();
    }
  }

  /** A shell script in a default step. */
  sh(script: string, changes: Partial<ExecSpec> = {}, options: StepOptions = {}): Promise<StepResult> {
    return this.run({ args: ["sh", "-c", script], ...changes }, options);
  }
}
