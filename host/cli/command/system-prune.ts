import type { Command } from "commander";
import { StateStore } from "../../engine/record/state-store.ts";
import { confirm, type ForceFlags } from "../prune/confirm.ts";
import { pruneContainers } from "../prune/ended-containers.ts";
import { printPruned } from "../prune/pruned.ts";
import { pruneDisks } from "../prune/unused-disks.ts";
import { pruneImages } from "../prune/unused-images.ts";

interface PruneFlags extends ForceFlags {
  readonly all?: true;
}

/** Adds `guestctl system prune`. */
export function addSystemPrune(parent: Command): void {
  parent
    .command("prune")
    .summary("remove ended containers, and images and disks that nothing uses")
    .description("Remove ended containers, images without a name, and disks made from images that nothing uses.")
    .option("-a, --all", "remove all images that no container uses, not only those without a name")
    .option("-f, --force", "don't ask")
    .action((flags: PruneFlags) => prune(flags));
}

async function prune(flags: PruneFlags): Promise<void> {
  const { all = false } = flags;
  const images = all ? "all images that no container uses" : "images whose names newer images have";
  const containers = "the records, outputs and disks of all ended containers";
  await confirm("system prune", [containers, images, "disks made from images that no guest uses"], flags);
  const { ImageStore } = await import("../../engine/image/store/image-store.ts");
  const { BlockStore } = await import("../../engine/image/disk/block-store.ts");
  const store = new StateStore();
  await printPruned({
    container: pruneContainers(store),
    image: await pruneImages(new ImageStore(), store, all),
    disk: await pruneDisks(new BlockStore()),
  });
}
