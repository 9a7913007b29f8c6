import { setTimeout as sleep } from "node:timers/promises";
import type { FileInfo } from "./file-driver.ts";

/** A change of a name in a directory; a rename is a removal and a creation. */
export interface FileChange {
  readonly action: "created" | "changed" | "removed";
  readonly file: FileInfo;
}

const INTERVAL_MS = 500;

/** Yields the differences between one list of a directory and the next. */
export async function* watchFolder(
  list: (signal: AbortSignal) => Promise<readonly FileInfo[]>,
  intervalMs: number = INTERVAL_MS,
  signal: AbortSignal,
): AsyncGenerator<FileChange, never> {
  let before = byName(await list(signal));
  for (;;) {
    await sleep(intervalMs, undefined, { signal });
    const now = byName(await list(signal));
    for (const [name, file] of before) if (!now.has(name)) yield { action: "removed", file };
    for (const [name, file] of now) {
      const old = before.get(name);
      if (old === undefined) yield { action: "created", file };
      else if (versionOf(old) !== versionOf(file)) yield { action: "changed", file };
    }
    before = now;
  }
}

const byName = (files: readonly FileInfo[]) => new Map(files.map((file) => [file.name, file]));

const versionOf = ({ type, size, mode, uid, gid, modified }: FileInfo): string =>
  [type, size, mode, uid, gid, modified.getTime()].join(" ");
