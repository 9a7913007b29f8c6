import type { Command } from "commander";
import { VolumeStore } from "../../engine/volume/volume-store.ts";
import { type FormatFlags, formatLines, jsonText, withFormat } from "../flags/output-flags.ts";
import { print } from "../output/print.ts";

/** Adds `guestctl volume inspect`. */
export function addVolumeInspect(parent: Command): void {
  const command = parent
    .command("inspect")
    .summary("show where volumes are and who uses them")
    .description("Print as a JSON array where volumes are on this machine, and which containers use them.")
    .argument("<volumes...>");
  withFormat(command, "{{.Path}}", "f").action(inspect);
}

async function inspect(names: readonly string[], { format }: FormatFlags): Promise<void> {
  const store = new VolumeStore();
  const records = names.map((name) => store.get(name));
  await print(format === undefined ? jsonText(records) : formatLines(records, format));
}
