import { readdirSync } from "node:fs";

/** Returns the sorted names in a directory, or none if it can't be read. */
export function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}
