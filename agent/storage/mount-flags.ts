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

const PROPAGATIONS = new Map(
  Object.entries({
    shared: abi.MS_SHARED,
    slave: abi.MS_SLAVE,
    private: abi.MS_PRIVATE,
    unbindable: abi.MS_UNBINDABLE,
  }).flatMap(([name, flag]) => [[name, flag] as const, [`r${name}`, flag | abi.MS_REC] as const]),
);

/** mount(2) accepts one page of data including the terminating NUL. */
export const MAX_DATA = 4095;

export interface MountWords {
  readonly flags: number;
  /** Data for the file system. */
  readonly data: string;
  /** MS_SHARED and the like, with MS_REC for all mounts below; 0 leaves the propagation unchanged. */
  readonly propagation: number;
}

/** Splits a storage's options for mount(2): known words become flags, the rest is data for the file system. */
export function parseStorageOptions(options: readonly string[]): MountWords {
  let [flags, propagation] = [0, 0];
  const words: string[] = [];
  for (const option of options) {
    if (option === "loop") throw new AgentError("invalid-argument", 'storage option "loop" is not supported');
    const known = FLAGS.get(option);
    const spread = PROPAGATIONS.get(option);
    if (known !== undefined) flags = (flags & ~known[1]) | known[0];
    else if (spread !== undefined) propagation = spread;
    else if (option !== "") words.push(option);
  }
  const data = words.join(",");
  if (data.includes("\0") || Buffer.byteLength(data) > MAX_DATA) {
    throw new AgentError("invalid-argument", `storage options contain a NUL byte or are longer than ${MAX_DATA} bytes`);
  }
  return { flags, data, propagation };
}

/** True for a flag of mount(2), false for file system data. */
export function isMountFlag(option: string): boolean {
  return FLAGS.has(option);
}
