import { chmod, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

/** Removes a directory and what is in it, also where an image's directories forbid their owner to write. */
export async function removeTree(directory: string): Promise<void> {
  try {
    await rm(directory, { recursive: true, force: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EACCES" && code !== "EPERM") throw error;
    await openDirectories(directory);
    await rm(directory, { recursive: true, force: true });
  }
}

/** Nobody else writes here any more, so that a directory cannot turn into a link meanwhile. */
async function openDirectories(directory: string): Promise<void> {
  await chmod(directory, 0o700);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) await openDirectories(join(directory, entry.name));
  }
}
