import type { Files } from "../kernel/files.ts";
import { runProgram } from "../kernel/run-program.ts";
import { Lock } from "../kernel/wait/lock.ts";

/** What the calls on the guest's network work with. */
export interface Network {
  readonly files: Pick<Files, "readText" | "exists" | "list">;
  readonly run: typeof runProgram;
  /** One change at a time: names are swapped, and a route needs the address before it. */
  readonly lock: Lock;
  /** The name of the device at a PCI path, which is waited for. */
  readonly deviceAt: (pciPath: string, signal: AbortSignal) => Promise<string>;
}

export function openNetwork(files: Network["files"], deviceAt: Network["deviceAt"]): Network {
  return { files, run: runProgram, lock: new Lock(), deviceAt };
}
