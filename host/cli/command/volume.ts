import type { Command } from "commander";
import { addVolumeCreate } from "./volume-create.ts";
import { addVolumeInspect } from "./volume-inspect.ts";
import { addVolumeLs } from "./volume-ls.ts";
import { addVolumePrune } from "./volume-prune.ts";
import { addVolumeRm } from "./volume-rm.ts";

/** Adds `guestctl volume`. */
export function addVolume(program: Command): void {
  const command = program
    .command("volume")
    .description(
      "Keep data in folders with names, which containers get by run -v NAME:/PATH, and which stay after them.",
    );
  addVolumeCreate(command);
  addVolumeLs(command);
  addVolumeInspect(command);
  addVolumeRm(command);
  addVolumePrune(command);
}
