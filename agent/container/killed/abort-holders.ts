import { setTimeout as sleep } from "node:timers/promises";
import type { Kernel } from "../../kernel/kernel.ts";
import { cgroupProcs } from "../cgroup/cgroup.ts";
import { FuseConnections } from "./fuse-connections.ts";
import { devicesIn, mountedDevices } from "./mounted-devices.ts";

/** Time between two looks, both of which have to find a connection, ms. */
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

/** Aborts FUSE connections that only processes of these cgroups use, and returns them. */
export async function abortHolders(
  { sys, files }: Pick<Kernel, "sys" | "files">,
  cgroups: readonly string[],
  ownsKernel: boolean,
): Promise<number[]> {
  using connections = new FuseConnections(sys);
  const look = async () => {
    const waiting = await connections.waiting();
    if (waiting.length === 0) return [];
    const killed = new Set(cgroups.flatMap((cgroup) => cgroupProcs(files, cgroup)).map(String));
    const others = files.list("/proc").filter((name) => /^\d+$/.test(name) && !killed.has(name));
    const ofOthers = await mountedDevices(files, others);
    // This process's own table, whatever its length.
    for (const device of devicesIn(files.readText("/proc/self/mountinfo"))) ofOthers.add(device);
    const ofKilled = await mountedDevices(files, killed);
    return onlyOfKilled({ waiting, ofKilled, ofOthers, ownsKernel });
  };
  const held = connections.hold(await look());
  if (held.length === 0) return [];
  // A file system that is just being mounted may have been in no table.
  await sleep(BETWEEN_MS);
  const again = new Set(await look());
  const aborted = held.filter((id) => again.has(id));
  for (const id of aborted) connections.abort(id);
  return aborted;
}
