import { setTimeout as sleep } from "node:timers/promises";
import type { Kernel } from "../../kernel/kernel.ts";
import { cgroupProcs } from "../cgroup/cgroup.ts";
import { FuseConnections } from "./fuse-connections.ts";
import { devicesIn, mountedDevices } from "./mounted-devices.ts";

/** How often to look before aborting, and the time between two looks, ms: a file system that is just being mounted is in no table. */
const LOOKS = 2;
const BETWEEN_MS = 200;

export interface Holders {
  /** Connections with requests that have no answer. */
  readonly waiting: readonly number[];
  /** Connections of file systems that the killed processes see, and those that other processes see. */
  readonly ofKilled: ReadonlySet<number>;
  readonly ofOthers: ReadonlySet<number>;
  /** The agent sees every process of this kernel. */
  readonly ownsKernel: boolean;
}

/**
 * Returns the connections that only killed processes use. A file system that no process sees any more, because it was
 * unmounted while in use, is one, unless processes exist that the agent doesn't see.
 */
export function onlyOfKilled({ waiting, ofKilled, ofOthers, ownsKernel }: Holders): number[] {
  return waiting.filter((id) => !ofOthers.has(id) && (ownsKernel || ofKilled.has(id)));
}

/** Aborts the FUSE connections that only processes of these cgroups use, and returns them. */
export async function abortHolders(
  { sys, files }: Pick<Kernel, "sys" | "files">,
  cgroups: readonly string[],
  ownsKernel: boolean,
): Promise<number[]> {
  if (cgroups.length === 0) return [];
  using connections = new FuseConnections(sys);
  let found = connections.waiting();
  for (let look = 0; look < LOOKS && found.length > 0; look++) {
    if (look > 0) await sleep(BETWEEN_MS);
    const waiting = found.filter((id) => connections.isWaiting(id));
    const killed = new Set(cgroups.flatMap((cgroup) => cgroupProcs(files, cgroup)).map(String));
    const others = files.list("/proc").filter((name) => /^\d+$/.test(name) && !killed.has(name));
    const ofOthers = await mountedDevices(files, others);
    // This process's own table, whatever its length.
    for (const device of devicesIn(files.readText("/proc/self/mountinfo"))) ofOthers.add(device);
    const ofKilled = await mountedDevices(files, killed);
    found = onlyOfKilled({ waiting, ofKilled, ofOthers, ownsKernel });
  }
  for (const id of found) connections.abort(id);
  return found;
}
