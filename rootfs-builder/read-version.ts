import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";

/** Returns the version in a repository's package.json. */
export async function readVersion(root: string): Promise<string> {
  const path = join(root, "package.json");
  const parsed: unknown = JSON.parse(await readFile(path, "utf8"));
  if (typeof parsed === "object" && parsed !== null && "version" in parsed && typeof parsed.version === "string") {
    return parsed.version;
  }
  throw new BuildError(`${path}: no version`);
}
