import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import type { Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { type ProcessOwner, startedAt } from "../../lib/process-owner.ts";
import { signalName } from "../signal-name.ts";
import { kindInText } from "../text-kind.ts";
import { outOfMemory } from "./cgroup/guest-cgroup.ts";
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

/** Everything by which another process of this user finds a program. */
export interface ChildRecord {
  readonly name: string;
  /** Beginning of the paths of its files: PLACE.pid, PLACE.err, PLACE.end and PLACE.released (agent/native/monitor). */
  readonly place: string;
  /** File of its output. */
  readonly output: string;
  readonly monitor: ProcessOwner;
  /** Folder of the cgroup that it runs in, if any. */
  readonly cgroup?: string | undefined;
}

export interface ChildOptions extends Pick<ChildRecord, "place" | "cgroup"> {
  /** File to which its output is appended. Default: PLACE.out. */
  readonly output?: string | undefined;
  readonly stdin?: "ignore" | "pipe";
  /** Files that it may have open. Default: as many as this process. */
  readonly files?: number;
  /** Numbers of the capabilities that it may have. Default: all. */
  readonly capabilities?: readonly number[];
}

const RELEASE_POLL_MS = 2;
/** Milliseconds between SIGTERM and SIGKILL. */
const TERM_MS = 2000;
/** Bytes of error messages that are read: the last ones. */
const ERRORS = 16 << 10;
const SIGKILL = 9;
/** The end of a program whose monitor was killed. */
const UNKNOWN: Ending = { status: undefined, signal: SIGKILL };
/** Exit statuses for a program that can't be run. */
const [CANT_RUN, NOT_FOUND] = [126, 127];

/**
 * A program that runs for a guest, under a monitor. It ends with this process: the kernel kills the monitor when its parent
 * thread dies, and the program with the monitor. Once released it keeps running, and another process finds it by its
 * record. The owner calls `end()`.
 */
export class Child {
  readonly record: ChildRecord;
  /** Resolves when the program has ended and its output is in its file; never rejects. */
  readonly ended: Promise<Ending>;
  /** Null unless requested. */
  readonly stdin: Writable | null;
  #running = true;
  /** Lines of the monitor itself. */
  #reported = "";
  #how = "";

  /** Runs `argv`. If that fails, the program has ended with status 126 or 127. */
  static start(
    name: string,
    argv: readonly string[],
    { place, output = `${place}.out`, stdin = "ignore", cgroup, files, capabilities }: ChildOptions,
  ): Child {
    for (const ending of ["pid", "end", "err", "released"]) rmSync(`${place}.${ending}`, { force: true });
    // In a session of its own, a terminal's ^C reaches only this process, which ends the program.
    const limits = [
      ...(cgroup === undefined ? [] : ["-c", cgroup]),
      ...(files === undefined ? [] : ["-f", String(files)]),
      ...(capabilities === undefined ? [] : ["-k", maskOf(capabilities)]),
    ];
    const monitor = spawn(monitorProgram(), [...limits, place, output, ...argv], {
      stdio: [stdin, "ignore", "pipe"],
      detached: true,
    });
    const pid = monitor.pid ?? 0;
    return new Child({ name, place, output, monitor: { pid, started: startedAt(pid) ?? 0 }, cgroup }, monitor);
  }

  /** Finds a program that another process has started and released. */
  static find(record: ChildRecord): Child {
    return new Child(record);
  }

  private constructor(record: ChildRecord, started?: ChildProcess) {
    this.record = record;
    this.stdin = started?.stdin ?? null;
    this.stdin?.on("error", () => undefined); // the program has ended
    const over = started === undefined ? whenEnded(record.monitor).then(() => null) : this.#whenClosed(started);
    this.ended = over.then((status) => {
      this.#running = false;
      const ending = readEnding(record.place) ?? (status ? { status, signal: undefined } : UNKNOWN);
      // Later the cgroup is gone.
      this.#how = howEnded(record, ending);
      return ending;
    });
  }

  get name(): string {
    return this.record.name;
  }

  /** False once the program has ended; true also before it has started. */
  get isRunning(): boolean {
    return this.#running;
  }

  /** Undefined before the program has started, and once it has ended. */
  get pid(): number | undefined {
    return this.#running ? Number(readText(`${this.record.place}.pid`)) || undefined : undefined;
  }

  /** Returns at most `count` of the last lines of its error messages. */
  errors(count: number): readonly string[] {
    const lines = (this.#reported + readEnd(`${this.record.place}.err`)).split("\n").map(cleanLine);
    return lines.filter((line) => line.trim() !== "").slice(-count);
  }

  /** Sends a signal to the running program. */
  kill(signal: "SIGTERM" | "SIGKILL"): void {
    // A monitor that is killed can't say how its program ended: it has a signal of its own for that.
    if (this.#running) signalProcess(this.record.monitor, signal === "SIGKILL" ? "SIGQUIT" : signal);
  }

  /** Lets the program outlive this process. Resolves once it does, or has ended. */
  async release(): Promise<void> {
    if (this.#running) signalProcess(this.record.monitor, "SIGUSR1");
    while (this.#running && !existsSync(`${this.record.place}.released`)) await delay(RELEASE_POLL_MS);
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
    await this.ended;
    const last = this.errors(3).join("; ");
    const said = last === "" ? "" : `: ${last}`;
    const remedy = startRemedy(last);
    return new MachineError(`${this.#how}${said}${remedy === undefined ? "" : `; ${remedy}`}`, {
      kind: kindInText(last),
    });
  }

  /** Resolves with the monitor's exit status, null if a signal killed it. */
  #whenClosed(monitor: ChildProcess): Promise<number | null> {
    monitor.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#reported = (this.#reported + text).slice(-ERRORS);
    });
    return new Promise((resolve) => {
      monitor.once("error", (error) => {
        this.#reported += `monitor: ${error.message}\n`;
        resolve(NOT_FOUND);
      });
      monitor.once("close", resolve);
    });
  }
}

/** True for the end of a program that couldn't be run. */
export function isNotRun({ status }: Ending): boolean {
  return status === CANT_RUN || status === NOT_FOUND;
}

/** Reads how a program ended; undefined if its monitor failed, or was killed and the program with it. */
export function readEnding(place: string): Ending | undefined {
  const [, how, number] = /^(exit|signal) (\d+)$/m.exec(readText(`${place}.end`)) ?? [];
  if (how === undefined) return undefined;
  return how === "exit" ? { status: Number(number), signal: undefined } : { status: undefined, signal: Number(number) };
}

/** Returns how a program ended and, if its cgroup's memory was full, why. */
export function howEnded({ name, cgroup }: Pick<ChildRecord, "name" | "cgroup">, ending: Ending): string {
  const limit = ending.signal === SIGKILL && cgroup !== undefined ? outOfMemory(cgroup) : undefined;
  if (limit === undefined) return `${name} ended with ${endingText(ending)}`;
  return `${name} was killed: out of memory of the guest's cgroup (limit ${limit} MiB)`;
}

/** Returns "exit status 1" or "SIGKILL". */
function endingText({ status, signal }: Ending): string {
  return signal === undefined ? `exit status ${status ?? "unknown"}` : signalName(signal);
}

/** Returns a set of bits in hexadecimal digits. */
function maskOf(bits: readonly number[]): string {
  return bits.reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n).toString(16);
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
