import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import type { Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { signalName } from "../signal-name.ts";
import { cleanLine } from "./console.ts";
import { MachineError } from "./machine-error.ts";
import { monitorProgram } from "./paths.ts";
import { startRemedy } from "./start-failures.ts";

/** How a program ended: with an exit status, or by a signal's number. */
export interface Ending {
  readonly status: number | undefined;
  readonly signal: number | undefined;
}

export interface ChildOptions {
  /** Beginning of the paths of its files: PLACE.pid, PLACE.err and PLACE.end (agent/native/monitor). */
  readonly place: string;
  /** File to which its output is appended. Default: PLACE.out. */
  readonly output?: string | undefined;
  readonly stdin?: "ignore" | "pipe";
}

/** Milliseconds between SIGTERM and SIGKILL. */
const TERM_MS = 2000;
/** Bytes of error messages that are read: the last ones. */
const ERRORS = 16 << 10;
const KILLED = 9;
/** Exit statuses for a program that can't be run. */
const [CANT_RUN, NOT_FOUND] = [126, 127];

/**
 * A program that runs for a guest, under a monitor. It never outlives this process: the kernel kills the monitor when its
 * parent thread dies, and the program with the monitor. The owner calls `end()`.
 */
export class Child {
  readonly name: string;
  /** File of its output. */
  readonly output: string;
  /** Resolves when the program has ended and its output is in its file; never rejects. */
  readonly ended: Promise<Ending>;
  /** Null unless requested. */
  readonly stdin: Writable | null;
  readonly #place: string;
  readonly #monitor: ChildProcess;
  #running = true;
  /** Lines of the monitor itself. */
  #reported = "";

  /** Runs `argv`. If that fails, the program has ended with status 126 or 127. */
  constructor(
    name: string,
    argv: readonly string[],
    { place, output = `${place}.out`, stdin = "ignore" }: ChildOptions,
  ) {
    this.name = name;
    this.output = output;
    this.#place = place;
    for (const ending of ["pid", "end", "err"]) rmSync(`${place}.${ending}`, { force: true });
    // In a session of its own, a terminal's ^C reaches only this process, which ends the program.
    this.#monitor = spawn(monitorProgram(), [place, output, ...argv], {
      stdio: [stdin, "ignore", "pipe"],
      detached: true,
    });
    this.stdin = this.#monitor.stdin;
    this.stdin?.on("error", () => undefined); // the program has ended
    this.#monitor.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#reported = (this.#reported + text).slice(-ERRORS);
    });
    this.ended = new Promise((resolve) => {
      const finish = (status: number | null) => {
        this.#running = false;
        resolve(readEnding(place) ?? (status ? { status, signal: undefined } : { status: undefined, signal: KILLED }));
      };
      this.#monitor.once("error", (error) => {
        this.#reported += `monitor: ${error.message}\n`;
        finish(NOT_FOUND);
      });
      this.#monitor.once("close", finish);
    });
  }

  /** False once the program has ended; true also before it has started. */
  get isRunning(): boolean {
    return this.#running;
  }

  /** Undefined before the program has started, and once it has ended. */
  get pid(): number | undefined {
    return this.#running ? Number(readText(`${this.#place}.pid`)) || undefined : undefined;
  }

  /** Returns at most `count` of the last lines of its error messages. */
  errors(count: number): readonly string[] {
    const lines = (this.#reported + readEnd(`${this.#place}.err`)).split("\n").map(cleanLine);
    return lines.filter((line) => line.trim() !== "").slice(-count);
  }

  /** Sends a signal to the running program. */
  kill(signal: "SIGTERM" | "SIGKILL"): void {
    // A monitor that is killed can't say how its program ended: it has a signal of its own for that.
    if (this.#running) this.#monitor.kill(signal === "SIGKILL" ? "SIGQUIT" : signal);
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
    const how = signal === undefined ? `exit status ${status ?? "unknown"}` : signalName(signal);
    const last = this.errors(3).join("; ");
    const said = last === "" ? "" : `: ${last}`;
    const remedy = startRemedy(last);
    return new MachineError(`${this.name} ended with ${how}${said}${remedy === undefined ? "" : `; ${remedy}`}`);
  }
}

/** True for the end of a program that couldn't be run. */
export function isNotRun({ status }: Ending): boolean {
  return status === CANT_RUN || status === NOT_FOUND;
}

/** Returns undefined if the monitor failed, or was killed and the program with it. */
function readEnding(place: string): Ending | undefined {
  const [, how, number] = /^(exit|signal) (\d+)$/m.exec(readText(`${place}.end`)) ?? [];
  if (how === undefined) return undefined;
  return how === "exit" ? { status: Number(number), signal: undefined } : { status: undefined, signal: Number(number) };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function readEnd(path: string): string {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return "";
  }
  try {
    const bytes = Buffer.alloc(ERRORS);
    const count = readSync(file, bytes, 0, ERRORS, Math.max(0, fstatSync(file).size - ERRORS));
    return bytes.toString("utf8", 0, count);
  } finally {
    closeSync(file);
  }
}
