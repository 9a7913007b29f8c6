import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { onProcessEnd } from "../../lib/process-end.ts";
import { Console } from "./console.ts";
import { MachineError } from "./machine-error.ts";
import { startRemedy } from "./start-failures.ts";

/** How a program ended: with an exit status, or by a signal. */
export interface Ending {
  readonly status: number | undefined;
  readonly signal: string | undefined;
}

/** Milliseconds between SIGTERM and SIGKILL. */
const TERM_MS = 2000;

/**
 * A program that runs for a guest. It never outlives this process: with `setpriv --pdeathsig` the kernel kills it when
 * its parent thread dies, and a process that exits normally kills it first. The owner calls `end()`.
 */
export class Child {
  readonly name: string;
  /** Captures stderr. */
  readonly messages = new Console({ lines: 50 });
  /** Resolves when the program has ended and its output is read; never rejects. */
  readonly ended: Promise<Ending>;
  readonly stdout: Readable;
  /** Null unless requested in the constructor. */
  readonly stdin: Writable | null;
  readonly #process: ChildProcessByStdio<Writable | null, Readable, Readable>;
  #running = true;

  /** Runs `argv` through `setpriv`. */
  constructor(name: string, argv: readonly string[], stdin: "ignore" | "pipe" = "ignore") {
    this.name = name;
    // Start a new session: a terminal's ^C then reaches only this process, which ends the child.
    const command = ["--pdeathsig", "KILL", "--", ...argv];
    this.#process =
      stdin === "pipe"
        ? spawn("setpriv", command, { stdio: ["pipe", "pipe", "pipe"], detached: true })
        : spawn("setpriv", command, { stdio: ["ignore", "pipe", "pipe"], detached: true });
    this.stdout = this.#process.stdout;
    this.stdin = this.#process.stdin;
    this.stdin?.on("error", () => undefined); // the program has ended
    this.messages.read(this.#process.stderr);
    const forget = onProcessEnd(() => this.kill("SIGKILL"));
    this.ended = new Promise((resolve) => {
      const finish = (ending: Ending) => {
        this.#running = false;
        forget();
        resolve(ending);
      };
      this.#process.once("error", (error) => {
        this.messages.add(`setpriv: ${error.message}`);
        finish({ status: 127, signal: undefined });
      });
      this.#process.once("exit", () => {
        this.#running = false;
      });
      this.#process.once("close", (status, signal) =>
        finish({ status: status ?? undefined, signal: signal ?? undefined }),
      );
    });
  }

  /** Undefined if the program has ended or could not be started. */
  get pid(): number | undefined {
    return this.#running ? this.#process.pid : undefined;
  }

  /** Sends a signal to the running program; its pid can't be reused before then. */
  kill(signal: NodeJS.Signals): void {
    if (this.#running) this.#process.kill(signal);
  }

  /**
   * Ends the program with SIGTERM, then SIGKILL after 2 s (immediately with `now`), and waits for its end. Idempotent.
   */
  async end(now = false): Promise<void> {
    this.kill(now ? "SIGKILL" : "SIGTERM");
    const late = new AbortController();
    const timer = delay(TERM_MS, undefined, { signal: late.signal }).then(
      () => this.kill("SIGKILL"),
      () => undefined,
    );
    await this.ended;
    late.abort();
    await timer;
  }

  /** Returns the error for a program that ended unexpectedly, with a remedy for what it said last, if one is known. */
  async failure(): Promise<MachineError> {
    const { status, signal } = await this.ended;
    const how = signal === undefined ? `exit status ${status ?? "unknown"}` : signal;
    const last = this.messages.tail(3).join("; ");
    const said = last === "" ? "" : `: ${last}`;
    const remedy = startRemedy(last);
    return new MachineError(`${this.name} ended with ${how}${said}${remedy === undefined ? "" : `; ${remedy}`}`);
  }
}
