import { chmodSync, readdirSync, rmSync } from "node:fs";
import { chmod, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

const ALL = { recursive: true, force: true } as const;

/** Removes a directory and what is in it, also where an image's directories forbid their owner to write. */
export async function removeTree(directory: string): Promise<void> {
  try {
    await rm(directory, ALL);
  } catch (error) {
    refuseOther(error);
    await openDirectories(directory);
    await rm(directory, ALL);
  }
}

/** The same at a process's end. A program that still writes there may make this fail for a moment. */
export function removeTreeSync(directory: string): void {
  const options = { ...ALL, maxRetries: 5 };
  try {
    rmSync(directory, options);
  } catch (error) {
    refuseOther(error);
    openDirectoriesSync(directory);
    rmSync(directory, options);
  }
}

function refuseOther(error: unknown): void {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== "EACCES" && code !== "EPERM") throw error;
}

/** Nobody else writes here any more, so that a directory cannot turn into a link meanwhile. */
async function openDirectories(directory: string): Promise<void> {
  await chmod(directory, 0o700);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) await openDirectories(join(directory, entry.name));
  }
}

function openDirectoriesSync(directory: string): void {
  chmodSync(directory, 0o700);
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) openDirectoriesSync(join(directory, entry.name));
  }
}
