import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds to wait after the last answer: work that an agent does after answering belongs to the call. */
const SETTLE_MS = 3;

/** Measures a process's CPU time over many calls of one kind. */
export class CallCpu {
  readonly #pid: number;
  #calls = 0;
  #nanos = 0;
  #userTicks = 0;
  #ticks = 0;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** Measures the process while `work` makes calls; `work` returns their number. */
  async during(work: () => Promise<number>): Promise<void> {
    const before = cpuOf(this.#pid);
    this.#calls += await work();
    await sleep(SETTLE_MS);
    const after = cpuOf(this.#pid);
    this.#nanos += after.nanos - before.nanos;
    this.#userTicks += after.user - before.user;
    this.#ticks += after.user + after.system - before.user - before.system;
  }

  /** Mean CPU time per call, µs. */
  get micros(): number {
    return this.#nanos / 1000 / this.#calls;
  }

  /** The part of `micros` in user space. */
  get userMicros(): number {
    return (this.micros * this.#userTicks) / this.#ticks;
  }
}

/** Reads nanoseconds from the scheduler, which doesn't separate user time, and ticks from stat, which does. */
function cpuOf(pid: number): { readonly nanos: number; readonly user: number; readonly system: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const [user, system] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13)
    .map(Number);
  return { nanos: 1e6 * cpuMs(pid), user: user ?? 0, system: system ?? 0 };
}

/** Returns the CPU time of all threads that a process has now. */
export function cpuMs(pid: number): number {
  const ofThread = (thread: string) => {
    try {
      return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ", 1)[0]);
    } catch {
      return 0; // the thread has just ended
    }
  };
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => sum + ofThread(thread), 0) / 1e6;
}

export interface Memory {
  readonly rssKib: number;
  /** Private modified pages: the process's cost beyond its files. */
  readonly privateDirtyKib: number;
  /** Pages shared with other processes count proportionally. */
  readonly pssKib: number;
  /** Pages of no file, such as QEMU's translation cache; a guest's memory is a file. */
  readonly anonymousKib: number;
}

/** Reads the memory usage of a process; needs root for another user's. */
export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]);
  return {
    ...{ rssKib: kib("Rss"), privateDirtyKib: kib("Private_Dirty") },
    ...{ pssKib: kib("Pss"), anonymousKib: kib("Anonymous") },
  };
}
