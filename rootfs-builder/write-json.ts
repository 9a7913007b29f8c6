import { rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { withTemporary } from "./with-temporary.ts";

/** Writes a value as JSON, by rename. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await withTemporary(dirname(path), async (work) => {
    await writeFile(join(work, "json"), `${JSON.stringify(value, undefined, 1)}\n`);
    await rename(join(work, "json"), path);
  });
}
