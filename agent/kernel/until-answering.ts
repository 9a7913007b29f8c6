import { statfs } from "node:fs/promises";
import type { Files } from "./files.ts";
import { until } from "./until.ts";

/** Somebody else has to answer for these: the host, or a process. */
const SERVED = /^(virtiofs|9p|ceph|cifs|nfs\d?|fuse(\..+)?)$/;

/** Mounts that were asked and have not answered, by mount point. */
const asked = new Map<string, Promise<unknown>>();

/**
 * Waits until the file system that holds `path` answers, off the main thread: one whose other side hangs would hold up
 * the whole agent at the first look at it. Each is asked once at a time, as a question that nobody answers takes a
 * thread for good. An error is an answer. Nothing is asked of file systems of the kernel alone.
 */
export async function untilAnswering(
  files: Pick<Files, "mounts">,
  path: string,
  signal?: AbortSignal,
  ask: (mountPoint: string) => Promise<unknown> = statfs,
): Promise<void> {
  const mountPoint = servedMount(files.mounts(), path);
  if (mountPoint === undefined) return;
  let answer = asked.get(mountPoint);
  if (answer === undefined) {
    answer = ask(mountPoint)
      .catch(() => undefined)
      .finally(() => asked.delete(mountPoint));
    asked.set(mountPoint, answer);
  }
  await (signal === undefined ? answer : until(answer, signal));
}

/** Where the mount that holds a path is, if its file system is served by somebody. Names only are compared. */
function servedMount(mounts: string, path: string): string | undefined {
  let found = { point: "", type: "" };
  for (const line of mounts.split("\n")) {
    const [, point = "", type = ""] = line.split(" ");
    const holds = point === "/" || path === point || path.startsWith(`${point}/`);
    // The later one of two on the same place is on top.
    if (holds && point.length >= found.point.length) found = { point, type };
  }
  return SERVED.test(found.type) ? found.point : undefined;
}
