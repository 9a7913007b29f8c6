import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, readSync, rmSync, statSync } from "node:fs";
import type { Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { isAlive, type ProcessOwner, startedAt } from "../../lib/process-owner.ts";
import { signalName } from "../signal-name.ts";
import { cleanLine } from "./console.ts";
import { MachineError } from "./machine-error.ts";
import { monitorProgram } from "./paths.ts";
import { signalProcess, whenEnded } from "./signal-process.ts";
import { startRemedy } from "./start-failures.ts";

/** How a program ended: with an exit status, or by a signal's number. */
export interface Ending {
  readonly status: number | undefined;
  readonly signal: number | undefined;
}

/** A program as another process of this user finds it. */
export interface ChildRecord {
  readonly name: string;
  /** Beginning of the paths of its files: PLACE.pid, PLACE.err and PLACE.end (agent/native/monitor). */
  readonly place: string;
  /** File of what it prints. */
  readonly output: string;
  readonly monitor: ProcessOwner;
}

export interface ChildOptions extends Pick<ChildRecord, "place"> {
  /** Default: PLACE.out. It is added to what the file has. */
  readonly output?: string | undefined;
  readonly stdin?: "ignore" | "pipe";
}

/** Milliseconds between SIGTERM and SIGKILL. */
const TERM_MS = 2000;
/** Bytes at the end of its errors that are read. */
const ERRORS = 16 << 10;
const KILLED = 9;
const UNKNOWN: Ending = { status: undefined, signal: KILLED };

/**
 * A program that runs for a guest, under a monitor. The kernel kills both when the process that started them ends, unless
 * `release` has been called; then they go on, and another process finds them by their record. The owner calls `end()`.
 */
export class Child {
  readonly record: ChildRecord;
  /** Resolves when the program has ended and its output is in its file; never rejects. */
  readonly ended: Promise<Ending>;
  /** Null unless requested in the constructor. */
  readonly stdin: Writable | null;
  readonly #started: ChildProcess | undefined;
  #running = true;
  #said = "";

  /** Starts `argv`. A program that can't be started has ended with status 126 or 127. */
  static start(name: string, argv: readonly string[], options: ChildOptions): Child {
    const { place, output = `${place}.out`, stdin = "ignore" } = options;
    for (const ending of ["pid", "end", "err"]) rmSync(`${place}.${ending}`, { force: true });
    // A session of its own: a terminal's ^C then reaches only this process, which ends the program.
    const monitor = spawn(monitorProgram(), [place, output, ...argv], {
      stdio: [stdin, "ignore", "pipe"],
      detached: true,
    });
    const pid = monitor.pid ?? 0;
    return new Child({ name, place, output, monitor: { pid, started: startedAt(pid) ?? 0 } }, monitor);
  }

  /** Finds a program that another process has started and released. */
  static find(record: ChildRecord): Child {
    return new Child(record);
  }

  private constructor(record: ChildRecord, monitor?: ChildProcess) {
    this.record = record;
    this.#started = monitor;
    this.stdin = monitor?.stdin ?? null;
    this.stdin?.on("error", () => undefined); // the program has ended
    const over = monitor === undefined ? whenEnded(record.monitor) : this.#whenClosed(monitor);
    this.ended = over.then(() => {
      this.#running = false;
      return readEnding(record.place);
    });
  }

  get name(): string {
    return this.record.name;
  }

  /** False once it has ended; true also while it is started. */
  get isRunning(): boolean {
    return this.#running && isAlive(this.record.monitor);
  }

  /** Undefined if the program has ended or could not be started, and until it is. */
  get pid(): number | undefined {
    if (!this.isRunning) return undefined;
    return Number(readText(`${this.record.place}.pid`)) || undefined;
  }

  /** Returns at most `count` of the last lines of its errors. */
  errors(count: number): readonly string[] {
    const lines = (this.#said + readEnd(`${this.record.place}.err`)).split("\n").map(cleanLine);
    return lines.filter((line) => line.trim() !== "").slice(-count);
  }

  /** Sends a signal to the running program. */
  kill(signal: "SIGTERM" | "SIGKILL"): void {
    // Its monitor kills it, and says how it ended.
    if (this.#running) signalProcess(this.record.monitor, signal === "SIGKILL" ? "SIGQUIT" : signal);
  }

  /** Lets the program outlive this process. */
  release(): void {
    if (this.#running) signalProcess(this.record.monitor, "SIGUSR1");
    this.#started?.stderr?.destroy();
    this.#started?.unref();
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
    const last = this.errors(3).join("; ");
    const said = last === "" ? "" : `: ${last}`;
    const remedy = startRemedy(last);
    return new MachineError(
      `${this.name} ended with ${endingText({ status, signal })}${said}${remedy === undefined ? "" : `; ${remedy}`}`,
    );
  }

  #whenClosed(monitor: ChildProcess): Promise<void> {
    monitor.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#said = (this.#said + text).slice(-ERRORS);
    });
    return new Promise((resolve) => {
      monitor.once("error", (error) => {
        this.#said += `monitor: ${error.message}\n`;
        resolve();
      });
      monitor.once("close", () => resolve());
    });
  }
}

/** Reads how a program ended. Without a file, the monitor itself was killed, and the program with it. */
export function readEnding(place: string): Ending {
  const [, how, number] = /^(exit|signal) (\d+)$/m.exec(readText(`${place}.end`)) ?? [];
  if (how === undefined) return UNKNOWN;
  return how === "exit" ? { status: Number(number), signal: undefined } : { status: undefined, signal: Number(number) };
}

/** Returns "exit status 1" or "SIGKILL". */
export function endingText({ status, signal }: Ending): string {
  return signal === undefined ? `exit status ${status ?? "unknown"}` : signalName(signal);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function readEnd(path: string): string {
  try {
    const file = openSync(path, "r");
    try {
      const bytes = Buffer.alloc(ERRORS);
      const count = readSync(file, bytes, 0, ERRORS, Math.max(0, statSync(path).size - ERRORS));
      return bytes.toString("utf8", 0, count);
    } finally {
      closeSync(file);
    }
  } catch {
    return "";
  }
}
