import type { Command } from "commander";
import { TemplateStore } from "../../guests/template/template-store.ts";
import { jsonText } from "../flags/output-flags.ts";
import { print } from "../output/print.ts";
import { templateRecord } from "./template-ls.ts";

/** Adds `guestctl template inspect`. */
export function addTemplateInspect(parent: Command): void {
  parent
    .command("inspect")
    .summary("show everything about a template")
    .description("Print as JSON what a template holds, and what must be the same where it is used.")
    .argument("<name>")
    .action((name: string) => inspect(name));
}

async function inspect(name: string): Promise<void> {
  const template = await new TemplateStore().find(name);
  const { extents: _extents, ...manifest } = template.manifest;
  await print(jsonText({ ...templateRecord(template), directory: template.directory, manifest }));
}
