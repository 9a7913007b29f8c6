import { readFileSync, statSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { findMemory } from "../../../host/vm/snapshot/memory-file.ts";
import { cpuMs, memoryOf } from "../process-usage.ts";
import type { OwnGuestctl, OwnProcess } from "./own-guestctl.ts";

/** Milliseconds over which use of the processors counts, at most until guests are idle, and for memory to return to the host. */
const [WINDOW_MS, LIMIT_MS, RETURN_MS] = [2000, 180_000, 5000];
/** Share of a processor that all processes together take when they are idle. */
const IDLE = 0.5;

/** Memory of several processes, in MiB. */
export interface Memory {
  readonly rss: number;
  /** Pages that several processes have count proportionally. */
  readonly pss: number;
  /** Pages of no file, such as QEMU's translated code. */
  readonly anonymous: number;
  /** Pages of the files that are guests' memory, mapped by a process or not. */
  readonly guests: number;
}

/** Waits until the guests are idle: a clone's agent restarts once its first calls are over. */
export async function untilIdle(guestctl: OwnGuestctl): Promise<void> {
  const used = () => guestctl.processes().reduce((sum, { pid }) => sum + cpuOf(pid), 0);
  for (const end = performance.now() + LIMIT_MS; performance.now() < end; ) {
    const [before, began] = [used(), performance.now()];
    await delay(WINDOW_MS);
    if (used() - before < IDLE * (performance.now() - began)) break;
  }
  await delay(RETURN_MS);
}

export function memoryOfAll(processes: readonly OwnProcess[]): Memory {
  const all = processes.map(({ pid, program }) => ({
    ...memoryOf(pid),
    guestKib: program.startsWith("qemu") ? memoryFileKib(pid) : 0,
  }));
  const mib = (kib: (one: (typeof all)[number]) => number) => all.reduce((sum, one) => sum + kib(one), 0) / 1024;
  return {
    rss: mib(({ rssKib }) => rssKib),
    pss: mib(({ pssKib }) => pssKib),
    anonymous: mib(({ anonymousKib }) => anonymousKib),
    guests: mib(({ guestKib }) => guestKib),
  };
}

/** Returns the size of a QEMU's guest memory without its holes. */
function memoryFileKib(pid: number): number {
  const file = findMemory(pid);
  return file === undefined ? 0 : statSync(file).blocks / 2;
}

/** Returns the MiB that the kernel could still give to programs. */
export function availableMib(): number {
  return Number(/^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]) / 1024;
}

function cpuOf(pid: number): number {
  try {
    return cpuMs(pid);
  } catch {
    return 0; // it has ended
  }
}
