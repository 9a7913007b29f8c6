import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isAlive, type ProcessOwner, thisProcess } from "./process-owner.ts";
import { removeTree } from "./remove-tree.ts";

/** The process that a folder belongs to, and where that pid counts. */
interface FolderOwner extends ProcessOwner {
  readonly namespace: string;
  readonly boot: string;
}

const NOTE = ".owner.json";
const cleaned = new Set<string>();

/**
 * Makes a folder of an unforeseeable name that begins with `prefix`, in a place where others can't replace it, and notes that
 * it is this process's. Removing it is the caller's duty; what a process that was killed left behind is removed, without
 * waiting for that, when the next one makes its first folder there.
 */
export function makeOwnedFolder(prefix: string): string {
  const folder = mkdtempSync(prefix);
  writeFileSync(join(folder, NOTE), JSON.stringify({ ...thisProcess(), ...here() }), { mode: 0o600 });
  const [kind = ""] = /^[a-z]+-/.exec(basename(prefix)) ?? [];
  const place = join(dirname(prefix), kind);
  if (!cleaned.has(place)) {
    cleaned.add(place);
    void removeAbandonedFolders(dirname(prefix), kind).catch(() => undefined);
  }
  return folder;
}

/**
 * Removes the folders of this user in `parent` that `makeOwnedFolder` made with this beginning of a name, and whose process
 * was one of this pid namespace and has ended. All others stay: without a note, open to others, of another container.
 */
export async function removeAbandonedFolders(parent: string, kind: string): Promise<void> {
  for (const name of readdirSync(parent)) {
    const folder = join(parent, name);
    if (!name.startsWith(kind) || !isAbandoned(folder)) continue;
    // The note goes last: a removal that is cut off continues the next time.
    for (const entry of readdirSync(folder)) if (entry !== NOTE) await removeTree(join(folder, entry));
    await removeTree(folder);
  }
}

function isAbandoned(folder: string): boolean {
  try {
    const found = lstatSync(folder);
    if (!found.isDirectory() || found.uid !== process.geteuid?.() || (found.mode & 0o077) !== 0) return false;
    const owner = JSON.parse(readFileSync(join(folder, NOTE), "utf8")) as FolderOwner;
    const { namespace, boot } = here();
    return owner.namespace === namespace && owner.boot === boot && !isAlive(owner);
  } catch {
    return false;
  }
}

/** A pid means this process within a pid namespace, until the machine boots again. */
function here(): Pick<FolderOwner, "namespace" | "boot"> {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  return { namespace: readlinkSync("/proc/self/ns/pid"), boot };
}
