import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryPlace } from "../../lib/safe-place.ts";
import { BuildError } from "../build-error.ts";
import { run } from "../run.ts";
import type { Tree, TreeFile } from "../tree/tree.ts";
import { withTemporary } from "../with-temporary.ts";
import { MAX_BYTES, shown } from "./check.ts";
import type { Erofs } from "./read-erofs.ts";

/** Returns the tree with the content of the files that readErofs left empty, compressed or in chunks, as fsck.erofs extracts them. */
export function unpackedErofs(bytes: Buffer, { tree, layouts, inodes }: Erofs): Promise<Tree> {
  const packed = [...tree].flatMap(([path, entry]) => {
    const isPacked = entry.type === "file" && ["compressed", "chunks"].includes(layouts.get(path) ?? "");
    return isPacked ? [{ path, entry, size: inodes.get(path)?.size ?? 0 }] : [];
  });
  if (packed.reduce((total, { size }) => total + size, 0) > MAX_BYTES)
    throw new BuildError("EROFS: its files have more than 2 GiB");
  return withTemporary(temporaryPlace(), async (work) => {
    await writeFile(join(work, "image"), bytes);
    await run("fsck.erofs", ["--no-preserve", "--extract=files", "image"], { cwd: work });
    // The image's modes can deny access even to the owner.
    await run("chmod", ["-R", "u+rwX", "files"], { cwd: work });
    const whole: Tree = new Map(tree);
    const known = new Map<TreeFile, TreeFile>();
    for (const { path, entry, size } of packed) {
      const file = known.get(entry) ?? { ...entry, content: await readFile(join(work, "files", path)) };
      if (file.content.length !== size)
        throw new BuildError(`EROFS: /${shown(path)} has ${file.content.length} bytes, not ${size}`);
      whole.set(path, file);
      known.set(entry, file);
    }
    return whole;
  });
}
