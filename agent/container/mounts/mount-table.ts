import { closeSync, openSync, readSync } from "node:fs";

/** Most bytes of a mount table, whose length a container controls. */
const MAX_TABLE = 1024 * 1024;
const STEP = 64 * 1024;

/**
 * Returns the text of a mountinfo file, at most its first MiB. Reads on the main thread: the kernel generates it without
 * asking any file system, and containers may hold the threads of libuv.
 */
export function readMountTable(path: string): string {
  const table = openSync(path, "r");
  try {
    const bytes = Buffer.allocUnsafe(STEP);
    let text = "";
    for (let got = 1; got > 0 && text.length < MAX_TABLE; text += bytes.toString("latin1", 0, got))
      got = readSync(table, bytes, 0, Math.min(STEP, MAX_TABLE - text.length), null);
    return text;
  } finally {
    closeSync(table);
  }
}
