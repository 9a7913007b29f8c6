import type { Command } from "commander";
import { VolumeStore } from "../../engine/volume/volume-store.ts";
import { forEachName } from "../output/for-each-name.ts";

/** Adds `guestctl volume rm`. */
export function addVolumeRm(parent: Command): void {
  parent
    .command("rm")
    .summary("remove volumes")
    .description("Remove volumes with all their files. One that a container uses, even one that has ended, is refused.")
    .argument("<volumes...>")
    .action((names: readonly string[]) => {
      const store = new VolumeStore();
      return forEachName(names, (name) => store.remove(name));
    });
}
