import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fullDisk, hasCode } from "./build-error.ts";

const PREFIX = ".building-";

/**
 * Gives `use` a new private folder within `directory`, on its file system, so that what is made there can be put in place
 * by rename; removes it afterwards. What builds that were killed have left is removed first.
 */
export async function withTemporary<T>(directory: string, use: (temporary: string) => Promise<T>): Promise<T> {
  await mkdir(directory, { recursive: true });
  for (const name of await readdir(directory)) {
    const pid = new RegExp(`^\\${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(directory, name), { recursive: true, force: true });
  }
  const temporary = await mkdtemp(join(directory, `${PREFIX}${process.pid}-`));
  try {
    return await use(temporary);
  } catch (error) {
    throw fullDisk(error, directory);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !hasCode(error, "ESRCH");
  }
}
