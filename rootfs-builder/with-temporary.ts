import { mkdtempSync } from "node:fs";
import { lstat, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { onProcessEnd } from "../lib/process-end.ts";
import { removeTree, removeTreeSync } from "../lib/remove-tree.ts";
import { fullDisk, hasCode } from "./build-error.ts";
import { killPrograms } from "./run.ts";

const PREFIX = ".building-";

/**
 * Gives `use` a new private folder within `directory`, on its file system, so that what is made there can be put in place
 * by rename; removes it afterwards, whatever modes it has inside, also when a signal ends the process. What this user's
 * builds that were killed have left is removed first.
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

/** In a directory for temporary files anybody can make a name like ours. */
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
