import { readFileSync } from "node:fs";

/** Share of a processor up to which a guest counts as idle; without KVM, one that does nothing takes 0.6 % here. */
const IDLE_SHARE = 0.05;
/** Clock ticks of the kernel in a second, in which it counts processor time. */
const TICKS = 100;

/** Compares a process's processor time with an idle guest's, on average since it was last in use. */
export class ProcessorUse {
  readonly #pid: number;
  #ticks: number;
  #at = performance.now();

  constructor(pid: number) {
    this.#pid = pid;
    this.#ticks = ticksOf(pid);
  }

  /** True if it takes more than an idle guest. Throws the error of reading /proc if it has ended. */
  isUsed(): boolean {
    const [ticks, at] = [ticksOf(this.#pid), performance.now()];
    // The last tick may be of the time before.
    const used = ticks - this.#ticks - 1 > (IDLE_SHARE * TICKS * (at - this.#at)) / 1000;
    if (used) [this.#ticks, this.#at] = [ticks, at];
    return used;
  }
}

/** Returns user and system time, fields 14 and 15 of /proc/PID/stat. */
function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const [user = "", system = ""] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13);
  return Number(user) + Number(system);
}
