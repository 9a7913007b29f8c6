import type { Command } from "commander";
import { VolumeStore } from "../../engine/volume/volume-store.ts";
import { forEachName } from "../output/for-each-name.ts";

/** Adds `guestctl volume create`. */
export function addVolumeCreate(parent: Command): void {
  parent
    .command("create")
    .summary("create volumes")
    .description("Create empty volumes, unless they exist. The first run -v NAME:/PATH does so too.")
    .argument("<names...>")
    .action(async (names: readonly string[]) => {
      const store = new VolumeStore();
      await forEachName(names, async (name) => void store.create(name));
    });
}
