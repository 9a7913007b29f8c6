import { readlinkSync } from "node:fs";
import { yieldToEventLoop } from "../../../lib/yield-to-event-loop.ts";
import type { Files } from "../../kernel/files.ts";
import { readMountTable } from "../mounts/mount-table.ts";

/**
 * Returns the devices of all mounts that these processes see, as numbers by which the kernel names FUSE connections.
 * Each thread can have mounts of its own. The first MiB of a table counts.
 */
export async function mountedDevices(
  files: Pick<Files, "list">,
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
    for (const device of devicesOf(task)) devices.add(device);
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

function devicesOf(task: string): number[] {
  try {
    return devicesIn(readMountTable(`${task}/mountinfo`));
  } catch {
    return []; // it has just ended
  }
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
