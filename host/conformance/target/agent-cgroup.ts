import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const TRIES = 400;
const INTERVAL_MS = 5;

let made = 0;

/** Creates a cgroup for an agent and all its containers; undefined if this machine has no cgroup v2. */
export function makeAgentCgroup(): string | undefined {
  const mounts = readFileSync("/proc/mounts", "utf8").split("\n");
  const root = mounts.map((line) => line.split(" ")).find(([, , type]) => type === "cgroup2")?.[1];
  if (root === undefined) return undefined;
  removeAbandoned(root);
  const path = join(root, `guestd-conformance-${process.pid}-${++made}`);
  mkdirSync(join(path, "outside"), { recursive: true });
  return path;
}

/** Removes cgroups whose guestctl was killed; their processes died with it. Leaves those that are still busy. */
function removeAbandoned(root: string): void {
  for (const name of readdirSync(root)) {
    const owner = /^guestd-conformance-(\d+)-/.exec(name)?.[1];
    if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
    try {
      removeAll(join(root, name));
    } catch {
      // The next run tries again.
    }
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

function removeAll(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeAll(join(path, entry.name));
  }
  rmdirSync(path);
}
