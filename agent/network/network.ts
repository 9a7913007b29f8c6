import type { Files } from "../kernel/files.ts";
import { Lock } from "../kernel/lock.ts";
import { runProgram } from "../kernel/run-program.ts";

/** What the calls on the guest's network work with. */
export interface Network {
  readonly files: Pick<Files, "readText" | "exists" | "list">;
  readonly run: typeof runProgram;
  /** One change at a time: names are swapped, and a route needs the address before it. */
  readonly lock: Lock;
  /** How long a hot-plugged device is waited for. */
  readonly hotplugTimeoutMs: number;
}

export function openNetwork(files: Network["files"], hotplugTimeoutMs: number): Network {
  return { files, run: runProgram, lock: new Lock(), hotplugTimeoutMs };
}
