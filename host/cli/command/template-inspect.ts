import type { Command } from "commander";
import { TemplateStore } from "../../engine/template/template-store.ts";
import { readManifest } from "../../vm/snapshot/manifest.ts";
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
  const template = await new TemplateStore().get(name);
  const { extents: _extents, ...manifest } = await readManifest(template.path);
  await print(jsonText({ ...templateRecord(template), path: template.path, manifest }));
}
