import { AgentError } from "../kernel/error.ts";
import type { Files } from "../kernel/files.ts";

/** Creates a storage's mount point or directory if it doesn't exist. Throws one line. */
export function makePlace(files: Pick<Files, "makeDirectory">, driver: string, path: string): void {
  try {
    files.makeDirectory(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EROFS") throw error;
    const why = "EROFS (read-only file system): on a share, the host must create it";
    throw new AgentError("internal", `${driver} storage: mkdir ${path}: ${why}`, { cause: error });
  }
}
