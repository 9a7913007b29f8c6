import type { Command } from "commander";
import { StateStore } from "../../engine/record/state-store.ts";
import { confirm, type ForceFlags } from "../prune/confirm.ts";
import { printPruned } from "../prune/pruned.ts";
import { pruneImages } from "../prune/unused-images.ts";

interface PruneFlags extends ForceFlags {
  readonly all?: true;
}

/** Adds `guestctl image prune`. */
export function addImagePrune(parent: Command): void {
  parent
    .command("prune")
    .summary("remove containers' images that nothing uses")
    .description("Remove containers' images from the local store: those whose names newer images have.")
    .option("-a, --all", "remove all images that no container uses, not only those without a name")
    .option("-f, --force", "don't ask")
    .action((flags: PruneFlags) => prune(flags));
}

async function prune(flags: PruneFlags): Promise<void> {
  const { all = false } = flags;
  const what = all ? "all images that no container uses" : "images whose names newer images have";
  await confirm("image prune", [what], flags);
  const { ImageStore } = await import("../../engine/image/store/image-store.ts");
  await printPruned({ image: await pruneImages(new ImageStore(), new StateStore(), all) });
}
