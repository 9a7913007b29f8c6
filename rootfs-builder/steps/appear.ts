import { rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { withTemporary } from "../with-temporary.ts";

/** Puts a file in its place by rename, once `write` has made it. */
export async function appear(target: string, write: (temporary: string) => Promise<void>): Promise<void> {
  await withTemporary(dirname(target), async (work) => {
    await write(join(work, "output"));
    await rename(join(work, "output"), target);
  });
}
