import type { Command } from "commander";
import { addSystemDf } from "./system-df.ts";
import { addSystemPrune } from "./system-prune.ts";

/** Adds `guestctl system`. */
export function addSystem(program: Command): void {
  const command = program
    .command("system")
    .description("Show what guestctl keeps on the disk, and remove what is unused.");
  addSystemDf(command);
  addSystemPrune(command);
}
