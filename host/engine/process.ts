import type { OutputName } from "../client/streams/position.ts";

/** A process to start in a container. */
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

/** Takes a process's output: the next piece of it follows once the promise resolves. */
export type TakeOutput = (name: OutputName, bytes: Uint8Array, offset: number) => Promise<void>;

/** How a process has ended. */
export interface ProcessStatus {
  /** 0 to 255; 128 + signal if a signal killed it. */
  readonly exitCode: number;
  /** Number of the signal that killed it, or 0; unknown for agents other than guestd. */
  readonly signal: number;
}

/** A process in a container, with this program as its client. */
export interface Process {
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
