import { mkdtempSync } from "node:fs";
import { lstat, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { onProcessEnd } from "../lib/process-end.ts";
import { removeTree, removeTreeSync } from "../lib/remove-tree.ts";
import { fullDisk, hasCode } from "./build-error.ts";
import { killPrograms } from "./run.ts";

const PREFIX = ".building-";

/**
 * Passes a new private folder inside `directory` to `use`, so that results can be renamed into place. Removes the
 * folder afterwards, whatever modes it contains, and when a signal ends the process. First removes folders that this
 * user's killed builds left.
 */
export async function withTemporary<T>(directory: string, use: (temporary: string) => Promise<T>): Promise<T> {
  await mkdir(directory, { recursive: true });
  for (const name of await readdir(directory)) {
    const pid = new RegExp(`^\\${PREFIX}(\\d+)-`).exec(name)?.[1];
    const left = join(directory, name);
    if (pid !== undefined && !isAlive(Number(pid)) && (await isOurs(left))) await removeTree(left);
  }
  const temporary = mkdtempSync(join(directory, `${PREFIX}${process.pid}-`));
  const forget = onProcessEnd(() => {
    killPrograms();
    removeTreeSync(temporary);
  });
  try {
    return await use(temporary);
  } catch (error) {
    throw fullDisk(error, directory);
  } finally {
    await removeTree(temporary).finally(forget);
  }
}

/** True if the folder is ours: in a directory for temporary files, anyone can create such a name. */
async function isOurs(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.uid === process.geteuid?.();
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !hasCode(error, "ESRCH");
  }
}
