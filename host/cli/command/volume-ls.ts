import type { Command } from "commander";
import { VolumeStore } from "../../engine/volume/volume-store.ts";
import {
  type FormatFlags,
  formatLines,
  isJson,
  jsonText,
  type OutputFlags,
  withFormat,
  withOutput,
} from "../flags/output-flags.ts";
import { print } from "../output/print.ts";
import { ageText, textTable } from "../output/text-table.ts";

interface LsFlags extends OutputFlags, FormatFlags {
  readonly quiet?: true;
}

/** Adds `guestctl volume ls`. */
export function addVolumeLs(parent: Command): void {
  const command = parent
    .command("ls")
    .summary("list volumes")
    .description("List the volumes of this user, and the containers that use them.")
    .option("-q, --quiet", "print only names");
  withFormat(withOutput(command), "{{.Name}} {{.Path}}").action((flags: LsFlags) => list(flags));
}

async function list(flags: LsFlags): Promise<void> {
  const records = new VolumeStore().list();
  if (flags.format !== undefined) return print(formatLines(records, flags.format));
  if (isJson(flags)) return print(jsonText(records));
  if (flags.quiet) return print(textTable(records.map(({ name }) => [name])));
  const rows = records.map(({ name, createdAt, containers }) => [name, ageText(createdAt), containers.join(", ")]);
  await print(textTable([["NAME", "CREATED", "USED BY"], ...rows]));
}
