import type { PassedStdio } from "../passfd/passed-stream.ts";
import type { Process } from "../process/process.ts";
import type { ProcessSpec, Spec } from "../spec.ts";

/** Everything a runtime needs to create one container. */
export interface ContainerOptions {
  readonly id: string;
  /** It has passed checkSpec. */
  readonly spec: Spec;
  /** Directory of its cgroup, which exists. */
  readonly cgroup: string;
  /** F_SETPIPE_SZ of stdio pipes, bytes; 0 is the kernel's default. */
  readonly pipeSize: number;
  /** Absent: nobody could trace what is born in its pid namespace. */
  readonly births?: Births;
  /** Of the pod, for a container whose kernel is not the guest's. */
  readonly podHostname?: string;
  /** Streams of the host for its first process, which takes them over. */
  readonly passed?: PassedStdio | undefined;
}

/** What containers of a pod have to know of each other before a process is born in a pid namespace that they may share. */
export interface Births {
  /** Somebody could trace a process that is born in that of this container. */
  readonly mayBeTraced: () => boolean;
  /** Resolves when the launches that trusted in that nobody could, whichever container's, are done. */
  readonly settled: () => Promise<unknown>;
  /** Throws where a process waits in its pid namespace that must not be traced. */
  readonly refuseTracer: () => void;
}

export interface ExecOptions {
  /** Streams of the host for it, which takes them over. */
  readonly passed?: PassedStdio | undefined;
  /** See compileExec. */
  readonly bornLast: boolean;
}

/**
 * Makes the processes of one container: the built-in launcher, or another OCI runtime. Each process is a child of init
 * in the end, so its exit and its stdio are the same whoever made it.
 */
export interface Runtime {
  /** The init process, blocked before its program; as long as it is, it has a `release`. On failure nothing is left. */
  create(signal: AbortSignal | undefined): Promise<Process>;
  /**
   * Lets it go; resolves when its program runs and its poststart hooks have ended. `again`: an agent that was killed may have
   * let it go already. `onExecuted`: its program runs, and hooks follow.
   */
  start(init: Process, signal: AbortSignal, again?: boolean, onExecuted?: () => void): Promise<void>;
  /** What follows `onExecuted`, for an agent that was killed meanwhile. */
  afterStart(init: Process, signal: AbortSignal): Promise<void>;
  /** A further process; resolves when its program runs. */
  exec(
    init: Process,
    execId: string,
    process: ProcessSpec,
    signal: AbortSignal,
    options: ExecOptions,
  ): Promise<Process>;
  /** To a process that has not been waited for. `isInit`: SIGTERM becomes SIGKILL for one that would not notice it. */
  signal(process: Process, signal: number, isInit: boolean): void | Promise<void>;
  /** Takes away what it keeps of a container whose processes have ended. */
  remove(): Promise<void>;
}
