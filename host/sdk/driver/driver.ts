import type { OutputName } from "../../client/streams/position.ts";
import type { CallLimits } from "../call/limits.ts";
import type { SandboxError } from "../error/sandbox-error.ts";
import type { ExecPosition } from "../exec/position.ts";
import type { FileDriver } from "../files/file-driver.ts";
import type { Forward, ForwardRequest } from "../network/forward.ts";
import type { ListenedPort } from "../network/ports.ts";
import type { PlanStep } from "../sandbox/plan-step.ts";
import type { SandboxEvent } from "../sandbox/sandbox-event.ts";
import type { LogChunk, LogOptions } from "../sandbox/sandbox-log.ts";
import type { SandboxStats } from "../sandbox/sandbox-stats.ts";

/** A process to start. */
export interface ProcessStart {
  readonly argv: readonly string[];
  /** "NAME=value". */
  readonly env: readonly string[];
  readonly cwd?: string | undefined;
  readonly user?: string | undefined;
  readonly terminal?: { readonly rows: number; readonly columns: number } | undefined;
  readonly mode?: "hold" | "ring" | "spool" | undefined;
  readonly keepBytes?: number | undefined;
}

/** A process that was started before, and where to continue. */
export interface ProcessJoin {
  readonly position: ExecPosition;
  readonly takeover: boolean;
}

/** Takes a process's output: the next piece of it follows once the promise resolves. */
export type TakeOutput = (name: OutputName, bytes: Uint8Array, offset: number) => Promise<void>;

/** How a process has ended. */
export interface ProcessStatus {
  /** 0 to 255; 128 + signal if a signal killed it. */
  readonly exitCode: number;
  /** Number of the signal that killed it, or 0; unknown for agents other than guestd. */
  readonly signal: number;
}

/** A process in a sandbox. */
export interface DriverProcess {
  /** Exec id. */
  readonly id: string;
  /** Resolves once it runs. Rejects like `ended`. */
  readonly started: Promise<unknown>;
  /** Resolves once it has ended and all its output was taken. */
  readonly ended: Promise<ProcessStatus>;
  /** Names this boot of the guest, once it runs; undefined if the process can't be attached to again. */
  readonly epoch: string | undefined;
  /** Resolves once the process has read the bytes, or a pipe holds them. */
  write(bytes: Uint8Array): Promise<void>;
  endInput(): void;
  signal(number: number): Promise<void>;
  resize(rows: number, columns: number): void;
  /** Leaves the process, which continues. */
  detach(): void;
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
  start(request: ProcessStart, take: TakeOutput): DriverProcess;
  join(request: ProcessJoin, take: TakeOutput): DriverProcess;
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
