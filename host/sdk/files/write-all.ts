import type { FileDriver } from "./file-driver.ts";
import { bytesOf, type FileData } from "./files.ts";

const NEW_DIRECTORY = 0o755;
const NEW_FILE = 0o644;

/** Writes files by their paths, and creates the directories above them. */
export async function writeAll(
  driver: FileDriver,
  files: Readonly<Record<string, FileData>> = {},
  signal: AbortSignal,
): Promise<void> {
  for (const [path, data] of Object.entries(files)) {
    const folder = path.slice(0, path.lastIndexOf("/"));
    if (folder !== "") await driver.mkdir(folder, { mode: NEW_DIRECTORY, parents: true }, signal);
    await driver.write(path, bytesOf(data), { how: "truncate", mode: NEW_FILE }, signal);
  }
}
