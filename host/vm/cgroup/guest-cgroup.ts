import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { namesIn } from "../../../lib/names-in.ts";
import { isAlive, thisPlacedProcess } from "../../../lib/process-owner.ts";
import { reason } from "../../../lib/reason.ts";
import { MachineError } from "../machine-error.ts";
import { cgroupPlace } from "./cgroup-place.ts";

const MIB = 1 << 20;
/**
 * Memory of QEMU and the device programs beyond the guest's. Idle they have 163 MiB of their own without KVM, most of it
 * translated code; sockets and buffers of disks come on top, and for large guests page tables, a 512th for each program.
 * Files that they read count too, but the kernel drops those first.
 */
const overheadMib = (memoryMib: number) => 512 + Math.ceil(memoryMib / 64);
/** Processes and threads: QEMU has at most 64 for its disks, and one for each processor. */
const TASKS = 512;
/** Processors that QEMU's devices and the other programs may take, beyond the guest's. */
const DEVICE_CPUS = 2;
const PERIOD_US = 100_000;
/** Times in milliseconds for programs that were killed to leave the cgroup: the kernel tears their memory down first. */
const [LEAVING_MS, POLL_MS] = [2000, 20];

let created = 0;

/** Size of a guest. */
export interface GuestSize {
  readonly memoryMib: number;
  readonly cpus: number;
}

/**
 * Creates the cgroup of a guest's programs, with limits on memory, processes and, where the cgroup above has them, processors;
 * undefined where this process can't. Removes those of guests whose starting processes were killed. Throws MachineError.
 */
export function makeGuestCgroup({ memoryMib, cpus }: GuestSize, place = cgroupPlace()): string | undefined {
  if (!("folder" in place)) return undefined;
  removeAbandoned(place.folder);
  const { pid, started } = thisPlacedProcess();
  const folder = join(place.folder, `${prefix()}${pid}-${started}-${created++}`);
  try {
    mkdirSync(folder);
    limitGuestCgroup(folder, memoryMib);
    // A guest without one of its programs is of no use.
    writeFileSync(join(folder, "memory.oom.group"), "1");
    writeFileSync(join(folder, "pids.max"), String(TASKS));
    // Where the cgroup above gives no processors, the file doesn't exist.
    const processors = join(folder, "cpu.max");
    if (existsSync(processors)) writeFileSync(processors, `${(cpus + DEVICE_CPUS) * PERIOD_US} ${PERIOD_US}`);
    return folder;
  } catch (error) {
    throw new MachineError(`create the guest's cgroup ${folder}: ${reason(error)}`, { cause: error });
  }
}

/** Sets the limit of a guest's cgroup for this much memory of the guest. */
export function limitGuestCgroup(folder: string, memoryMib: number): void {
  writeFileSync(join(folder, "memory.max"), String((memoryMib + overheadMib(memoryMib)) * MIB));
}

/** Removes a guest's cgroup once its programs have ended. One that can't be removed stays for the next guest's start. */
export async function removeGuestCgroup(folder: string): Promise<void> {
  const end = performance.now() + LEAVING_MS;
  for (;;) {
    const code = await rmdir(folder).then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error.code,
    );
    if (code !== "EBUSY" || performance.now() > end) return;
    await delay(POLL_MS);
  }
}

/** Removes a guest's cgroup if its programs have ended. */
export function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Programs are in it, or another process has removed it.
  }
}

/** Returns the limit in MiB of a cgroup in which the kernel has killed a program because its memory was full. */
export function outOfMemory(folder: string): number | undefined {
  try {
    if (!/^oom_kill [1-9]/m.test(readFileSync(join(folder, "memory.events"), "utf8"))) return undefined;
    return Number(readFileSync(join(folder, "memory.max"), "utf8")) / MIB;
  } catch {
    return undefined;
  }
}

/** Names have the pid namespace: processes of others can't be seen. */
function prefix(): string {
  return `guestd-${/\d+/.exec(thisPlacedProcess().namespace)?.[0] ?? 0}-`;
}

/** Removes empty cgroups that processes which have ended created. */
function removeAbandoned(place: string): void {
  const mine = prefix();
  for (const name of namesIn(place)) {
    const [pid = Number.NaN, started = Number.NaN] = name.startsWith(mine)
      ? name.slice(mine.length).split("-").map(Number)
      : [];
    if (pid > 0 && !isAlive({ pid, started })) removeIfEmpty(join(place, name));
  }
}
