import { readlinkSync } from "node:fs";
import { yieldToEventLoop } from "../../../lib/yield-to-event-loop.ts";
import type { Files } from "../../kernel/files.ts";

/** Longest mount table that is read, in bytes; containers control their lengths. */
const MAX_TABLE = 1 << 20;

/**
 * Returns the devices of all mounts that these processes see, as numbers by which the kernel names FUSE connections.
 * Each thread can have mounts of its own. A longer table than 1 MiB counts as empty.
 */
export async function mountedDevices(
  files: Pick<Files, "list" | "readAtMost">,
  pids: Iterable<number | string>,
): Promise<Set<number>> {
  const devices = new Set<number>();
  const seen = new Set<string>();
  const pause = yieldToEventLoop();
  for (const task of tasks(files, pids)) {
    await pause();
    const view = viewOf(task);
    if (view === undefined || seen.has(view)) continue;
    seen.add(view);
    const table = await files.readAtMost(`${task}/mountinfo`, MAX_TABLE).catch(() => undefined);
    for (const device of devicesIn(table ?? "")) devices.add(device);
  }
  return devices;
}

/** Devices in the text of a mountinfo file. */
export function devicesIn(mountinfo: string): number[] {
  // The kernel's own number of a device: 12 bits of major number, 20 of minor.
  return [...mountinfo.matchAll(/^\d+ \d+ (\d+):(\d+) /gm)].map(
    ([, major, minor]) => Number(major) * 2 ** 20 + Number(minor),
  );
}

function* tasks(files: Pick<Files, "list">, pids: Iterable<number | string>): Iterable<string> {
  for (const pid of pids) {
    try {
      for (const thread of files.list(`/proc/${pid}/task`)) yield `/proc/${pid}/task/${thread}`;
    } catch {
      // It has just ended.
    }
  }
}

/** Names the mount namespace and the root, which decide what a table lists; undefined if the thread has ended. */
function viewOf(task: string): string | undefined {
  try {
    return `${readlinkSync(`${task}/ns/mnt`)} ${readlinkSync(`${task}/root`)}`;
  } catch {
    return undefined;
  }
}
