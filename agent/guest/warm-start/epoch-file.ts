import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";

/**
 * Writes the epoch as a decimal line for programs in containers, which may watch the file by inotify through a bind mount of it.
 * Such a mount keeps the inode, so the file is written in place, by one write(2). Epochs only grow: the new text is never shorter.
 */
export function writeEpoch(path: string, epoch: number): void {
  const text = `${epoch}\n`;
  if (readText(path) === text) return;
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o444);
  try {
    const written = writeSync(fd, text, 0);
    if (written < text.length) throw new Error(`write ${path}: ${written} of ${text.length} bytes written`);
  } finally {
    closeSync(fd);
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
