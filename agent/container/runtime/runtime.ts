import type { PassedStdio } from "../passfd/passed-stream.ts";
import type { Process } from "../process/process.ts";
import type { ProcessSpec, Spec } from "../spec.ts";

/** Everything a runtime needs to create one container. */
export interface ContainerOptions {
  readonly id: string;
  /** A spec that passed checkSpec. */
  readonly spec: Spec;
  /** Directory of the container's cgroup, which exists. */
  readonly cgroup: string;
  /** F_SETPIPE_SZ of stdio pipes in bytes; 0 means the kernel's default. */
  readonly pipeSize: number;
  /** Absent if no process could trace one created in this container's pid namespace. */
  readonly traceGuard?: ContainerTraceGuard;
  /** The pod's host name, for a container that has its own kernel. */
  readonly podHostname?: string;
  /** The host's streams for the init process, which takes ownership of them. */
  readonly passed?: PassedStdio | undefined;
  /** Called with the durations of the launch plan's first operations, µs each. */
  readonly onMeasured?: (stepMicros: readonly number[]) => void;
}

/** Coordinates the containers of a pod while processes are created in a pid namespace that they may share. */
export interface ContainerTraceGuard {
  /** True if some process could trace one created in this container's pid namespace. */
  readonly mayBeTraced: () => boolean;
  /** Resolves once every launch that began while no tracer was running has finished, in any container of the pod. */
  readonly settled: () => Promise<unknown>;
  /** Throws if a process that must not be traced waits in this container's pid namespace. */
  readonly refuseTracer: () => void;
}

export interface ExecOptions {
  /** The host's streams for the process, which takes ownership of them. */
  readonly passed?: PassedStdio | undefined;
  /** See compileExec. */
  readonly bornLast: boolean;
}

/**
 * Creates the processes of one container: the built-in runtime or another OCI runtime. Every process ends up as a child
 * of init, so exit and stdio work the same in both.
 */
export interface Runtime {
  /**
   * Creates the init process, blocked before its program; it has a `release` while it is blocked. A failure leaves
   * nothing behind.
   */
  create(signal: AbortSignal | undefined): Promise<Process>;
  /**
   * Releases the init process; resolves when its program runs and the poststart hooks have ended. `again`: an agent
   * that was killed may already have released it. `onExecuted`: called when the program runs, before the hooks.
   */
  start(init: Process, signal: AbortSignal, again?: boolean, onExecuted?: () => void): Promise<void>;
  /** Runs the steps after `onExecuted`, for an agent that was killed before them. */
  afterStart(init: Process, signal: AbortSignal): Promise<void>;
  /** Creates a further process; resolves when its program runs. */
  exec(
    init: Process,
    execId: string,
    process: ProcessSpec,
    signal: AbortSignal,
    options: ExecOptions,
  ): Promise<Process>;
  /**
   * Signals a process that has not been waited for. `isInit`: SIGTERM becomes SIGKILL for an init process that would
   * not notice it.
   */
  signal(process: Process, signal: number, isInit: boolean): void | Promise<void>;
  /** Removes what the runtime keeps of a container whose processes have ended. */
  remove(): Promise<void>;
}
