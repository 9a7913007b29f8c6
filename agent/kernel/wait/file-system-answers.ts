import { statfs } from "node:fs";
import { promisify } from "node:util";
import type { Files } from "../files.ts";
import { runLimited } from "./limited-calls.ts";
import { waitUntil } from "./wait-until.ts";

/** Types of file system served by another party: the host or a process. */
const SERVED = /^(virtiofs|9p|ceph|cifs|nfs\d?|fuse(\..+)?)$/;

const statfsOf = promisify(statfs);

/** Probes without an answer yet, by mount. */
const probes = new Map<string, Promise<unknown>>();

/**
 * Waits off the main thread until the file system that holds `path` answers a statfs: if its server hangs, the first access
 * from the main thread would block the whole agent. Each file system is probed once at a time, because a probe without an
 * answer holds a thread for good; throws if too many other file systems don't respond. An error is an answer. File systems
 * served by the kernel alone are not probed. The probe asks at the mount point, whose path the kernel keeps in memory: no lock
 * that a container can hold delays it.
 */
export async function fileSystemAnswers(
  files: Pick<Files, "mounts">,
  path: string,
  signal?: AbortSignal,
  ask: (mountPoint: string) => Promise<unknown> = statfsOf,
): Promise<void> {
  const mount = servedMount(files.mounts(), path);
  if (mount === undefined) return;
  let answer = probes.get(mount.key);
  if (answer === undefined) {
    answer = runLimited(mount.point, () => ask(mount.point).catch(() => undefined)).finally(() =>
      probes.delete(mount.key),
    );
    // Every caller may have aborted before it rejects.
    answer.catch(() => undefined);
    probes.set(mount.key, answer);
  }
  await (signal === undefined ? answer : waitUntil(answer, signal));
}

interface Mount {
  readonly point: string;
  /** Prefix of the paths below it. */
  readonly below: string;
  readonly type: string;
  readonly source: string;
}

/** The mounts parsed last: the text stays the same until a mount changes (watched-mounts.ts). */
let read: { readonly text: string; readonly mounts: readonly Mount[] } = { text: "", mounts: [] };

function mountsIn(text: string): readonly Mount[] {
  if (text !== read.text) read = { text, mounts: text.split("\n").map(toMount) };
  return read.mounts;
}

function toMount(line: string): Mount {
  const [source = "", point = "", type = ""] = line.split(" ");
  return { point, below: point === "/" ? "/" : `${point}/`, type, source };
}

/** Returns the mount that holds a path if another party serves it. Compares names only. */
function servedMount(text: string, path: string): { readonly point: string; readonly key: string } | undefined {
  let found: Mount = { point: "", below: "", type: "", source: "" };
  for (const mount of mountsIn(text)) {
    const { point, below } = mount;
    const holds = path === point || path.startsWith(below);
    // Of two mounts on the same path, the later one is on top.
    if (holds && point.length >= found.point.length) found = mount;
  }
  const { point, type, source } = found;
  // A virtiofs tag is one server, however often it is mounted.
  return SERVED.test(type) ? { point, key: type === "virtiofs" ? `virtiofs ${source}` : point } : undefined;
}
