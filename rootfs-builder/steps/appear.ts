import { rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { withTemporary } from "../with-temporary.ts";

/** Creates a file by rename, once `write` has completed it. */
export async function appear(target: string, write: (temporary: string) => Promise<void>): Promise<void> {
  await withTemporary(dirname(target), async (work) => {
    await write(join(work, "output"));
    await rename(join(work, "output"), target);
  });
}
