import type { Files } from "../kernel/files.ts";
import { runProgram } from "../kernel/run-program.ts";
import { Lock } from "../kernel/wait/lock.ts";

/** Everything that calls on the guest's network need. */
export interface Network {
  readonly files: Pick<Files, "readText" | "exists" | "list">;
  readonly run: typeof runProgram;
  /** Serialises changes: renames swap names, and a route needs its device's address first. */
  readonly lock: Lock;
  /** Waits for the device at a PCI path and resolves with its name. */
  readonly deviceAt: (pciPath: string, signal: AbortSignal) => Promise<string>;
}

export function openNetwork(files: Network["files"], deviceAt: Network["deviceAt"]): Network {
  return { files, run: runProgram, lock: new Lock(), deviceAt };
}

/** Returns the first path that exists. If none does, returns the first of all, so that the error names it. */
export function programOf(network: Pick<Network, "files">, paths: readonly [string, ...string[]]): string {
  return paths.find((path) => network.files.exists(path)) ?? paths[0];
}

/** True if the kernel supports IPv6 and no sysctl disables it. */
export function hasIpv6(files: Pick<Files, "readText">): boolean {
  try {
    return files.readText("/proc/sys/net/ipv6/conf/all/disable_ipv6").trim() === "0";
  } catch {
    return false;
  }
}
