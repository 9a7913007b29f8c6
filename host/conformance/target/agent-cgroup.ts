import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const TRIES = 400;
const INTERVAL_MS = 5;

let made = 0;

/** Creates a cgroup for an agent and all its containers; undefined if this machine has no cgroup v2. */
export function makeAgentCgroup(): string | undefined {
  return makeOwnCgroup("guestd-conformance", ++made);
}

/** Returns the mount point of cgroup v2; undefined if this machine has none. */
export function cgroup2Root(): string | undefined {
  const mounts = readFileSync("/proc/mounts", "utf8").split("\n");
  return mounts.map((line) => line.split(" ")).find(([, , type]) => type === "cgroup2")?.[1];
}

/** Creates a cgroup whose name begins with `prefix`, and removes those that dead processes have left under this prefix. */
export function makeOwnCgroup(prefix: string, number: number): string | undefined {
  const root = cgroup2Root();
  if (root === undefined) return undefined;
  for (const name of readdirSync(root)) if (name.startsWith(`${prefix}-`)) removeAbandoned(join(root, name));
  const path = join(root, `${prefix}-${process.pid}-${number}`);
  mkdirSync(join(path, "outside"), { recursive: true });
  return path;
}

/**
 * Removes a cgroup whose owner was killed; its processes died with it. If it still has processes, its owner lives in another
 * pid namespace and needs all of it, including the cgroups that are empty.
 */
function removeAbandoned(path: string): void {
  const owner = /-(\d+)-\d+$/.exec(path)?.[1];
  if (owner === undefined || existsSync(`/proc/${owner}`)) return;
  try {
    if (!readFileSync(join(path, "cgroup.events"), "utf8").includes("populated 1")) removeAll(path);
  } catch {
    // Another run removes it, or the next one tries again.
  }
}

/** Kills everything in the cgroup and removes it. Leaves a cgroup whose processes don't end. */
export async function removeAgentCgroup(path: string): Promise<void> {
  try {
    writeFileSync(join(path, "cgroup.kill"), "1");
  } catch {
    // Kernels before 5.14 lack the file; the processes end with their pid namespace.
  }
  for (let attempt = 0; attempt < TRIES; attempt++) {
    try {
      removeAll(path);
      return;
    } catch {
      await sleep(INTERVAL_MS);
    }
  }
}

/** Removes a cgroup and those below it. Throws if one has processes. */
export function removeAll(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeAll(join(path, entry.name));
  }
  rmdirSync(path);
}
