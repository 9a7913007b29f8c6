import type { Command } from "commander";
import { StateStore } from "../../engine/record/state-store.ts";
import { confirm, type ForceFlags } from "../prune/confirm.ts";
import { pruneContainers } from "../prune/ended-containers.ts";
import { printPruned } from "../prune/pruned.ts";

/** Adds `guestctl container`. */
export function addContainer(program: Command): void {
  program
    .command("container")
    .description("Remove ended containers. Other commands of containers, such as run, ps and rm, have no group.")
    .command("prune")
    .summary("remove ended containers")
    .description("Remove all ended containers: their records, exit codes, outputs and disks.")
    .option("-f, --force", "don't ask")
    .action((flags: ForceFlags) => prune(flags));
}

async function prune(flags: ForceFlags): Promise<void> {
  await confirm("container prune", ["the records, outputs and disks of all ended containers"], flags);
  await printPruned({ container: pruneContainers(new StateStore()) });
}
