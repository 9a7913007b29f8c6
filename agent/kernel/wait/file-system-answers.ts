import { statfs } from "node:fs/promises";
import type { Files } from "../files.ts";
import { mayHang } from "./limited-calls.ts";
import { waitUntil } from "./wait-until.ts";

/** Somebody else has to answer for these: the host, or a process. */
const SERVED = /^(virtiofs|9p|ceph|cifs|nfs\d?|fuse(\..+)?)$/;

/** Those that were asked and have not answered. */
const asked = new Map<string, Promise<unknown>>();

/**
 * Waits until the file system that holds `path` answers, off the main thread: one whose other side hangs would hold up
 * the whole agent at the first look at it. Each is asked once at a time, as a question that nobody answers takes a
 * thread for good; throws when too many others do not answer. An error is an answer. Nothing is asked of file systems of
 * the kernel alone.
 */
export async function untilAnswering(
  files: Pick<Files, "mounts">,
  path: string,
  signal?: AbortSignal,
  ask: (mountPoint: string) => Promise<unknown> = statfs,
): Promise<void> {
  const mount = servedMount(files.mounts(), path);
  if (mount === undefined) return;
  let answer = asked.get(mount.key);
  if (answer === undefined) {
    answer = mayHang(mount.point, () => ask(mount.point).catch(() => undefined)).finally(() => asked.delete(mount.key));
    // Nobody may be left to hear of a refusal.
    answer.catch(() => undefined);
    asked.set(mount.key, answer);
  }
  await (signal === undefined ? answer : waitUntil(answer, signal));
}

interface Mount {
  readonly point: string;
  /** What paths below it begin with. */
  readonly below: string;
  readonly type: string;
  readonly source: string;
}

/** The mounts of the text that was read last: it stays the same as long as nothing is mounted (watched-mounts.ts). */
let read: { readonly text: string; readonly mounts: readonly Mount[] } = { text: "", mounts: [] };

function mountsIn(text: string): readonly Mount[] {
  if (text !== read.text) read = { text, mounts: text.split("\n").map(toMount) };
  return read.mounts;
}

function toMount(line: string): Mount {
  const [source = "", point = "", type = ""] = line.split(" ");
  return { point, below: point === "/" ? "/" : `${point}/`, type, source };
}

/** The mount that holds a path, if its file system is served by somebody. Names only are compared. */
function servedMount(text: string, path: string): { readonly point: string; readonly key: string } | undefined {
  let found: Mount = { point: "", below: "", type: "", source: "" };
  for (const mount of mountsIn(text)) {
    const { point, below } = mount;
    const holds = path === point || path.startsWith(below);
    // The later one of two on the same place is on top.
    if (holds && point.length >= found.point.length) found = mount;
  }
  const { point, type, source } = found;
  // A tag of virtiofs is one server, however often it is mounted.
  return SERVED.test(type) ? { point, key: type === "virtiofs" ? `virtiofs ${source}` : point } : undefined;
}
