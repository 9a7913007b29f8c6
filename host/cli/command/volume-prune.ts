import type { Command } from "commander";
import { VolumeStore } from "../../engine/volume/volume-store.ts";
import { forEachName } from "../output/for-each-name.ts";
import { confirm, type ForceFlags } from "../prune/confirm.ts";

/** Adds `guestctl volume prune`. */
export function addVolumePrune(parent: Command): void {
  parent
    .command("prune")
    .summary("remove volumes that no container uses")
    .description("Remove all volumes that no container uses, with their files.")
    .option("-f, --force", "don't ask")
    .action((flags: ForceFlags) => prune(flags));
}

async function prune(flags: ForceFlags): Promise<void> {
  const store = new VolumeStore();
  const unused = store.list().filter(({ containers }) => containers.length === 0);
  if (unused.length === 0) return;
  const names = unused.map(({ name }) => name);
  await confirm(
    "volume prune",
    names.map((name) => `volume ${name}`),
    flags,
  );
  await forEachName(names, (name) => store.remove(name));
}
