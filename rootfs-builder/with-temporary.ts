import { rmSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fullDisk, hasCode } from "./build-error.ts";
import { killPrograms } from "./run.ts";

const PREFIX = ".building-";

/**
 * Gives `use` a new private folder within `directory`, on its file system, so that what is made there can be put in place
 * by rename; removes it afterwards, also when SIGINT or SIGTERM ends the process. What builds that were killed have left is removed first.
 */
export async function withTemporary<T>(directory: string, use: (temporary: string) => Promise<T>): Promise<T> {
  await mkdir(directory, { recursive: true });
  for (const name of await readdir(directory)) {
    const pid = new RegExp(`^\\${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(directory, name), { recursive: true, force: true });
  }
  const temporary = await mkdtemp(join(directory, `${PREFIX}${process.pid}-`));
  hold(temporary);
  try {
    return await use(temporary);
  } catch (error) {
    throw fullDisk(error, directory);
  } finally {
    await rm(temporary, { recursive: true, force: true });
    release(temporary);
  }
}

const open = new Set<string>();
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** From here on a signal that ends this process removes the folder first. */
function hold(temporary: string): void {
  if (open.size === 0) for (const signal of SIGNALS) process.on(signal, endBy);
  open.add(temporary);
}

function release(temporary: string): void {
  open.delete(temporary);
  if (open.size === 0) for (const signal of SIGNALS) process.off(signal, endBy);
}

/** Where somebody else listens, that one decides whether the process ends. */
function endBy(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  killPrograms();
  // One of them that still writes there may make this fail for a moment.
  for (const temporary of open) rmSync(temporary, { recursive: true, force: true, maxRetries: 5 });
  process.off(signal, endBy);
  process.kill(process.pid, signal);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !hasCode(error, "ESRCH");
  }
}
