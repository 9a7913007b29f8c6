import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestOf } from "../digest.ts";
import { rootInitrd } from "../initramfs/root-initrd.ts";
import { writeByRename, writeJson } from "../write-files.ts";
import type { BuildContext } from "./context.ts";
import { makeImage } from "./image-step.ts";
import { type RootTree, rootKey, rootTree } from "./root-tree.ts";
import type { Step } from "./step.ts";

/** Names of the files that a Kata host boots, in the outputs' folder `kata`. */
export const KATA_IMAGE = "kata-guestd.img";
export const KATA_INITRD = "kata-guestd-initrd.img";

/** Builds the file for `image=` in a Kata configuration: a raw disk with EROFS in its only partition. */
export function kataImageStep(context: BuildContext): Step {
  const { daxHeader = true } = context;
  return kataStep(context, "Kata image", KATA_IMAGE, String(daxHeader), (root, target) =>
    makeImage(root, target, { daxHeader }),
  );
}

/** Builds the file for `initrd=`: the same root as an initramfs. Left uncompressed, because a guest would decompress it at each boot. */
export function kataInitrdStep(context: BuildContext): Step {
  return kataStep(context, "Kata initrd", KATA_INITRD, "none", async ({ tree }, target) => {
    const archive = await rootInitrd(tree, { compression: "none" });
    await writeByRename(target, (temporary) => writeFile(temporary, archive));
    return archive.length;
  });
}

/** Builds the file, and the list of its contents beside it. */
function kataStep(
  context: BuildContext,
  name: string,
  output: string,
  options: string,
  make: (root: RootTree, target: string) => Promise<number>,
): Step {
  const target = join(context.to, "kata", output);
  const list = `${target}.json`;
  return {
    name,
    outputs: [target, list],
    key: async () => digestOf(options, await rootKey(context)),
    async build() {
      const root = await rootTree(context);
      const size = await make(root, target);
      await writeJson(list, { size, components: root.components, packages: root.packages });
    },
  };
}
