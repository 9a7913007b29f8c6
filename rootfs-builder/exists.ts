import { stat } from "node:fs/promises";
import { hasCode } from "./build-error.ts";

/** True if `path` exists, following links. */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR")) return false;
    throw error;
  }
}
