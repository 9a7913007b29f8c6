import { AgentError } from "../kernel/error.ts";
import type { Files } from "../kernel/files.ts";

/** Makes the directory that a storage is mounted on or is, unless it is there. Throws one line. */
export function makePlace(files: Pick<Files, "makeDirectory">, driver: string, path: string): void {
  try {
    files.makeDirectory(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EROFS") throw error;
    const why = "EROFS (read-only file system): on a share it is the host that makes it";
    throw new AgentError("internal", `${driver} storage: mkdir ${path}: ${why}`, { cause: error });
  }
}
