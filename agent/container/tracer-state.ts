import { waitUntil } from "../kernel/wait/wait-until.ts";
import { hasUserNamespace } from "./plan/compile-exec.ts";
import { mayTrace } from "./process/capabilities.ts";
import type { ContainerOptions, ContainerTraceGuard } from "./runtime/runtime.ts";
import type { ProcessSpec } from "./spec.ts";

/** Whether a container's processes may trace (ptrace) the processes that init launches. */
export class TracerState {
  readonly #guard: ContainerTraceGuard | undefined;
  readonly #inUser: boolean;
  /** Launches in progress that assumed no process in this pid namespace can trace them. */
  readonly exposed = new Set<Promise<unknown>>();
  #mayTrace: boolean;
  #traces = false;
  #isKnown: boolean;

  constructor({ spec, traceGuard }: ContainerOptions) {
    this.#guard = traceGuard;
    this.#inUser = hasUserNamespace(spec.linux.namespaces);
    this.#mayTrace = this.#isKnown = this.#isTracer(spec.process);
  }

  /** True if one of its processes may trace, now or once it is started. */
  get mayTrace(): boolean {
    return this.#mayTrace;
  }

  /** True if a process that may trace runs, or is about to. */
  get traces(): boolean {
    return this.#traces;
  }

  /** True if its spec, or an exec launched by this agent, has the capability to trace. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** True if some process of the pod could trace one created in this container's pid namespace. */
  get isTraceable(): boolean {
    return this.#guard?.mayBeTraced() ?? false;
  }

  /** Assumes the worst of execs of an earlier agent, whose capabilities are unknown. */
  assume(): void {
    this.#mayTrace = this.#traces = !this.#inUser;
  }

  /** Records that the init process is about to start. */
  starts(): void {
    this.#traces = this.#mayTrace;
  }

  /** Records that an exec is about to run; returns true if it may trace. */
  adds(exec: ProcessSpec): boolean {
    const isTracer = this.#isTracer(exec);
    this.#mayTrace ||= isTracer;
    this.#traces ||= isTracer;
    this.#isKnown ||= isTracer;
    return isTracer;
  }

  /**
   * Waits until no exposed launch is in progress, before a process runs that may trace others. Throws if one that must
   * not be traced waits in the pid namespace.
   */
  async settled(signal: AbortSignal): Promise<void> {
    if (this.#guard === undefined) return;
    await waitUntil(this.#guard.settled(), signal);
    if (this.#isKnown) this.#guard.refuseTracer();
  }

  /** From a user namespace a process can't trace a non-dumpable process of the guest's root. */
  #isTracer({ capabilities }: ProcessSpec): boolean {
    return !this.#inUser && mayTrace(capabilities);
  }
}
