import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Returns why a test that needs these programs can't run; undefined if all exist. */
export function missingPrograms(...names: string[]): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const missing = names.filter((name) => !folders.some((folder) => existsSync(join(folder, name))));
  return missing.length === 0 ? undefined : `no ${missing.join(", ")} on this machine`;
}
