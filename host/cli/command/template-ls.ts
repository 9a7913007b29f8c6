import type { Command } from "commander";
import { containersIn } from "../../engine/template/container-notes.ts";
import { type StoredTemplate, TemplateStore } from "../../engine/template/template-store.ts";
import { sizeText } from "../../size-text.ts";
import { isJson, jsonText, type OutputFlags, withOutput } from "../flags/output-flags.ts";
import { print } from "../output/print.ts";
import { ageText, textTable } from "../output/text-table.ts";

interface LsFlags extends OutputFlags {
  readonly quiet?: true;
}

const HEADER = ["NAME", "CREATED", "SIZE", "MEMORY", "CPUS", "CONTAINERS"];

/** Adds `guestctl template ls`. */
export function addTemplateLs(parent: Command): void {
  const command = parent
    .command("ls")
    .summary("list templates")
    .description("List the templates of this user.")
    .option("-q, --quiet", "print only names");
  withOutput(command).action((flags: LsFlags) => list(flags));
}

async function list(flags: LsFlags): Promise<void> {
  const templates = await new TemplateStore().list();
  if (isJson(flags)) return print(jsonText(templates.map(templateRecord)));
  if (flags.quiet) return print(templates.map(({ name }) => `${name}\n`).join(""));
  const rows = templates.map(templateRecord).map(({ name, createdAt, size, memoryMib, cpus, containers }) => {
    if (createdAt === undefined) return [name, "damaged", sizeText(size), "", "", ""];
    return [name, ageText(createdAt), sizeText(size), `${memoryMib} MiB`, `${cpus}`, containers.join(", ")];
  });
  await print(textTable([HEADER, ...rows]));
}

/** Returns what is shown of a template. One that is damaged has only a name and a size. */
export function templateRecord({ name, manifest, size, usedAt, guests }: StoredTemplate) {
  const { memoryMib, cpus } = manifest?.machine ?? {};
  const processes = manifest === undefined ? [] : containersIn(manifest.notes);
  const containers = processes.filter(({ container, exec }) => container === exec).map(({ container }) => container);
  return {
    name,
    createdAt: manifest?.createdAt,
    usedAt,
    size,
    memoryMib,
    cpus,
    guest: manifest?.guest,
    guests,
    containers,
  };
}
