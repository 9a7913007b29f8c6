import type { Fd } from "../../kernel/kernel.ts";
import type { OutputStream } from "../process/output-stream.ts";
import type { Process } from "../process/process.ts";
import { ResumableInput } from "./resumable-input.ts";
import { ResumableOutput, type ResumableParts } from "./resumable-output.ts";

/** One client's attachment, which a later one may replace. */
export interface Owner {
  /** Random text that names the client over all its connections. */
  readonly client: string;
  /** Ends the attachment; `by` is the client that replaces it. */
  replaced(by: string): void;
  /** Ends the attachment: the process and its output were removed. */
  removed(): void;
}

/** A process whose stdio clients attach to, one at a time. Kept until a client has acknowledged its end. */
export class ResumableProcess {
  readonly process: Process;
  readonly stdout: ResumableOutput;
  /** Undefined if the process has a terminal. */
  readonly stderr: ResumableOutput | undefined;
  readonly stdin: ResumableInput;
  readonly place: number;
  owner: Owner | undefined;
  readonly #sources: readonly OutputStream[];
  #closed = false;

  /** `openKept` opens a terminal's kept pipe, which this object then owns. Throws if calls read the output. */
  constructor(parts: ResumableParts, process: Process, openKept: () => Fd, onRemoved: () => void) {
    this.process = process;
    this.place = parts.place;
    const removed = () => {
      if (this.#closed) return;
      this.owner?.removed();
      onRemoved();
    };
    const stdout = process.output("stdout");
    const stderr = process.terminal ? undefined : process.output("stderr");
    this.#sources = stderr === undefined ? [stdout] : [stdout, stderr];
    this.stdin = new ResumableInput(parts, process.input, (signal) => process.closeInput(signal));
    for (const source of this.#sources) source.checkFree();
    this.stdout = new ResumableOutput(parts, 0, stdout, process.terminal ? openKept() : undefined);
    this.stderr = stderr && new ResumableOutput(parts, 1, stderr);
    for (const source of this.#sources) source.attach(removed);
  }

  /** True once it has ended and no client is attached: it only waits for one to take the rest. */
  get isLeft(): boolean {
    return this.owner === undefined && this.process.status !== undefined;
  }

  /** Ends the outputs: a client has all of them, or never will. */
  finish(): void {
    this.stdout.finish();
    this.stderr?.finish();
  }

  /** Releases the pipes and lets the process be forgotten. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.stdout.close();
    for (const source of this.#sources) source.detach();
  }
}
