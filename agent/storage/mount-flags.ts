import * as abi from "../kernel/constants.ts";
import { AgentError } from "../kernel/error.ts";

const FLAGS = new Map<string, readonly [set: number, clear: number]>([
  ["ro", [abi.MS_RDONLY, 0]],
  ["rw", [0, abi.MS_RDONLY]],
  ["nosuid", [abi.MS_NOSUID, 0]],
  ["suid", [0, abi.MS_NOSUID]],
  ["nodev", [abi.MS_NODEV, 0]],
  ["dev", [0, abi.MS_NODEV]],
  ["noexec", [abi.MS_NOEXEC, 0]],
  ["exec", [0, abi.MS_NOEXEC]],
  ["sync", [abi.MS_SYNCHRONOUS, 0]],
  ["async", [0, abi.MS_SYNCHRONOUS]],
  ["dirsync", [abi.MS_DIRSYNC, 0]],
  ["remount", [abi.MS_REMOUNT, 0]],
  ["bind", [abi.MS_BIND, 0]],
  ["rbind", [abi.MS_BIND | abi.MS_REC, 0]],
  ["noatime", [abi.MS_NOATIME, 0]],
  ["nodiratime", [abi.MS_NODIRATIME, 0]],
  ["relatime", [abi.MS_RELATIME, 0]],
  ["strictatime", [abi.MS_STRICTATIME, 0]],
  ["defaults", [0, 0]],
]);

/** Options of a storage as mount(2) wants them: known words are flags, the rest is data for the file system. */
export function parseStorageOptions(options: readonly string[]): { readonly flags: number; readonly data: string } {
  let flags = 0;
  const data: string[] = [];
  for (const option of options) {
    if (option === "loop") throw new AgentError("invalid-argument", 'storage option "loop" is not supported');
    const known = FLAGS.get(option);
    if (known === undefined) data.push(option);
    else flags = (flags & ~known[1]) | known[0];
  }
  return { flags, data: data.filter((word) => word !== "").join(",") };
}

/** It is a flag of mount(2), not data for the file system. */
export function isMountFlag(option: string): boolean {
  return FLAGS.has(option);
}
