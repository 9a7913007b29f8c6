import { setTimeout } from "node:timers/promises";
import type { grpc } from "../../proto/gen/messages.js";
import type { Process, TakeOutput } from "../engine/process.ts";
import { OperationError } from "../operation-error.ts";
import { ProcessStdio, type StdioPaths } from "./process-stdio.ts";

/** How a process has ended. */
export interface ProcessExit {
  /** 0 to 255; 128 + N if signal N killed it. */
  readonly status: number;
  readonly at: Date;
}

/** Starts the process in the guest; `take` gets its output. */
export type StartProcess = (take: TakeOutput) => Process | Promise<Process>;

/** Status of the processes of a guest that died: that of SIGKILL. */
export const KILLED = 137;

/** How long a killed process waits for a reader of its output that takes nothing. */
const UNREAD_MS = 5000;

/** A process of a task from its creation to its deletion. */
export class TaskProcess implements Disposable {
  readonly paths: StdioPaths;
  /** Undefined for a container's first process. */
  readonly spec: grpc.Process | undefined;
  readonly #stdio: ProcessStdio;
  readonly #exit = Promise.withResolvers<ProcessExit>();
  #process: Process | undefined;
  #wasStarted = false;
  #ended: ProcessExit | undefined;

  /** Opens its stdio. Throws OperationError. */
  constructor(paths: StdioPaths, spec?: grpc.Process) {
    this.paths = paths;
    this.spec = spec;
    this.#stdio = ProcessStdio.open(paths);
  }

  get state(): "created" | "running" | "stopped" {
    if (this.#ended !== undefined) return "stopped";
    return this.#process === undefined ? "created" : "running";
  }

  /** Undefined until it has ended. */
  get ended(): ProcessExit | undefined {
    return this.#ended;
  }

  /** Resolves once it has ended and the engine has its output. */
  get exit(): Promise<ProcessExit> {
    return this.#exit.promise;
  }

  /** Resolves once it runs. Rejects with the reason why it can't; then it can only be deleted. */
  async start(start: StartProcess): Promise<void> {
    if (this.#wasStarted || this.#ended !== undefined) throw stopped("the process was started before; create another");
    this.#wasStarted = true;
    try {
      const process = await start((name, bytes) => this.#stdio.write(name, bytes));
      process.ended
        .then(
          ({ exitCode }) => this.end(exitCode),
          () => this.#process !== undefined && this.end(KILLED),
        )
        .finally(() => this.#process !== undefined && this.#stdio[Symbol.dispose]());
      await process.started;
      this.#process = process;
      void this.#stdio.passInput(
        (bytes) => process.write(bytes),
        () => process.endInput(),
      );
    } catch (error) {
      this.#stdio[Symbol.dispose](); // the engine waits for its end
      throw error;
    }
  }

  /** Notes its end. Idempotent: the first status counts. */
  end(status: number): void {
    if (this.#ended !== undefined) return;
    this.#ended = { status, at: new Date() };
    this.#exit.resolve(this.#ended);
  }

  /** Ends a killed process whose output the engine no longer reads. The unread rest stays in the FIFO until deletion. */
  async endUnread(status: number): Promise<void> {
    for (let written = -1; this.state === "running" && written < this.#stdio.written; ) {
      written = this.#stdio.written;
      await setTimeout(UNREAD_MS, undefined, { ref: false });
    }
    this.end(status);
  }

  resize(rows: number, columns: number): void {
    this.#process?.resize(rows, columns);
  }

  closeInput(): void {
    this.#stdio.closeInput();
  }

  /** Closes its stdio. Throws OperationError while it runs. */
  [Symbol.dispose](): void {
    if (this.state === "running") throw stopped("the process still runs; kill it first");
    this.#stdio[Symbol.dispose]();
  }
}

const stopped = (why: string) => new OperationError(why, { kind: "stopped" });
