import type { PlanStep } from "../../engine/container/plan-step.ts";
import type { Process, ProcessStart, TakeOutput } from "../../engine/process.ts";
import type { CallLimits } from "../call/limits.ts";
import type { SandboxError } from "../error/sandbox-error.ts";
import type { ExecPosition } from "../exec/position.ts";
import type { FileDriver } from "../files/file-driver.ts";
import type { Forward, ForwardRequest } from "../network/forward.ts";
import type { ListenedPort } from "../network/ports.ts";
import type { SandboxEvent } from "../sandbox/sandbox-event.ts";
import type { LogChunk, LogOptions } from "../sandbox/sandbox-log.ts";
import type { SandboxStats } from "../sandbox/sandbox-stats.ts";

/** A process that was started before, and where to continue. */
export interface ProcessJoin {
  readonly position: ExecPosition;
  readonly takeover: boolean;
}

/** Does the work of a sandbox: a container at an agent, or a script. May throw errors of any class. */
export interface Driver {
  /** Address of the agent. */
  readonly address: string;
  /** Name of the sandbox: the container's id, or the guest's name of a clone. */
  readonly name: string;
  /** Id of the container. */
  readonly container: string;
  /** Aborted with the reason once the sandbox has stopped or died. */
  readonly ended: AbortSignal;
  readonly files: FileDriver;
  start(request: ProcessStart, take: TakeOutput): Process;
  join(request: ProcessJoin, take: TakeOutput): Process;
  forward(request: ForwardRequest, signal: AbortSignal): Promise<Forward>;
  ports(signal: AbortSignal): Promise<readonly ListenedPort[]>;
  /** Resolves once a process listens on the TCP port. */
  waitForPort(port: number, signal: AbortSignal): Promise<void>;
  events(
    options: { readonly from?: number | undefined; readonly follow: boolean },
    signal: AbortSignal,
  ): AsyncIterable<SandboxEvent>;
  logs(options: LogOptions, signal: AbortSignal): AsyncIterable<LogChunk>;
  stats(limits: CallLimits): Promise<SandboxStats>;
  metrics(limits: CallLimits): Promise<string>;
  explain(limits: CallLimits): Promise<readonly PlanStep[]>;
  upgrade(bundle: string | undefined, signal: AbortSignal): Promise<{ readonly from: string; readonly to: string }>;
  /** Saves the sandbox's guest as a template; it continues. */
  snapshot(name: string, signal: AbortSignal): Promise<void>;
  /** Sets after how many milliseconds the guest is powered off. */
  setTimeout(ms: number, signal: AbortSignal): Promise<void>;
  /** Changes the guest's memory. */
  resize(memoryMib: number, signal: AbortSignal): Promise<void>;
  /** Starts copies of the sandbox's guest. Returns each, or its error. */
  fork(count: number, signal: AbortSignal): Promise<readonly (Driver | SandboxError)[]>;
  pause(limits: CallLimits): Promise<void>;
  resume(limits: CallLimits): Promise<void>;
  /** Aborts `ended` if the sandbox is gone; called after a call has failed. */
  checkAlive(): Promise<void>;
  /** Ends the sandbox. Idempotent. */
  stop(limits: CallLimits): Promise<void>;
  /** Releases what belongs to this process. Idempotent. */
  close(): Promise<void>;
}
