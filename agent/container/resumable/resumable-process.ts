import { AgentError } from "../../kernel/error.ts";
import type { Fd } from "../../kernel/kernel.ts";
import type { OutputStream } from "../process/output-stream.ts";
import type { Process } from "../process/process.ts";
import type { AttachedOutput } from "./attached-output.ts";
import { ResumableInput } from "./resumable-input.ts";
import { ResumableOutput, type ResumableParts } from "./resumable-output.ts";

/** Most observers of one process. */
const MAX_OBSERVERS = 32;
/** How long observers that are behind keep the output of a process whose end was acknowledged. */
const LAST_READ_MS = 5000;

/** An attachment that sees the output of a process. */
export interface Observer {
  /** Ends the attachment: the process and its output were removed. */
  removed(): void;
}

/** One client's attachment, which a later one may replace. */
export interface Owner extends Observer {
  /** Random text that names the client over all its connections. */
  readonly client: string;
  /** Ends the attachment; `by` is the client that replaces it. */
  replaced(by: string): void;
}

/**
 * A process whose stdio clients attach to, one at a time, and any number of observers. Kept until a client has acknowledged
 * its end.
 */
export class ResumableProcess {
  readonly process: Process;
  readonly stdout: AttachedOutput;
  /** Undefined if the process has a terminal. */
  readonly stderr: AttachedOutput | undefined;
  readonly stdin: ResumableInput;
  readonly place: number;
  owner: Owner | undefined;
  readonly #observers = new Set<Observer>();
  /** Set once a client has acknowledged the end: called when the last observer is gone. */
  #onUnobserved: (() => void) | undefined;
  readonly #sources: readonly OutputStream[];
  #closed = false;

  /** `pipe` opens the kept pipe of an output, which this object then owns. Throws if calls read the output. */
  constructor(parts: ResumableParts, process: Process, pipe: (stream: 0 | 1) => Fd, onRemoved: () => void) {
    this.process = process;
    this.place = parts.place;
    const removed = () => {
      if (this.#closed) return;
      for (const observer of [this.owner, ...this.#observers]) observer?.removed();
      onRemoved();
    };
    const stdout = process.output("stdout");
    const stderr = process.terminal ? undefined : process.output("stderr");
    this.#sources = stderr === undefined ? [stdout] : [stdout, stderr];
    this.stdin = new ResumableInput(parts, process.input, (signal) => process.closeInput(signal));
    for (const source of this.#sources) source.checkFree();
    this.stdout = new ResumableOutput(parts, 0, stdout, pipe(0));
    try {
      this.stderr = stderr && new ResumableOutput(parts, 1, stderr, pipe(1));
    } catch (error) {
      this.stdout.close();
      throw error;
    }
    for (const source of this.#sources) source.attach(removed);
  }

  /** True once it has ended and no client is attached: it only waits for one to take the rest. */
  get isLeft(): boolean {
    return this.owner === undefined && this.#observers.size === 0 && this.process.status !== undefined;
  }

  /** True once a client has acknowledged its end. */
  get isReleased(): boolean {
    return this.#onUnobserved !== undefined;
  }

  /** Adds an observer; returns the function that removes it. Throws if there are too many. */
  observe(observer: Observer): () => void {
    if (this.#observers.size >= MAX_OBSERVERS) {
      throw new AgentError("resource-exhausted", `attach: ${MAX_OBSERVERS} observers are attached to the process`);
    }
    this.#observers.add(observer);
    const ends = [this.stdout.observe(), this.stderr?.observe()];
    return () => {
      if (!this.#observers.delete(observer)) return;
      for (const end of ends) end?.();
      if (this.#observers.size === 0) this.#onUnobserved?.();
    };
  }

  /** Calls `done` once no observer reads any more, at the latest after some seconds, in which observers can read the rest. */
  release(done: () => void): void {
    if (this.#observers.size === 0) {
      done();
      return;
    }
    const timer = setTimeout(() => {
      for (const observer of this.#observers) observer.removed();
    }, LAST_READ_MS).unref();
    this.#onUnobserved = () => {
      clearTimeout(timer);
      done();
    };
  }

  /** Releases the pipes and lets the process be forgotten: a client has all of it, or never will. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.stdout.close();
    this.stderr?.close();
    for (const source of this.#sources) source.detach();
  }
}
