import type { Command } from "commander";
import { TemplateStore } from "../../engine/template/template-store.ts";
import { CliError } from "../cli-error.ts";
import { forEachName } from "../output/for-each-name.ts";

/** Adds `guestctl template rm`. */
export function addTemplateRm(parent: Command): void {
  parent
    .command("rm")
    .summary("remove templates")
    .description("Remove templates. Guests that were started from them keep running.")
    .argument("<names...>")
    .action(async (names: readonly string[]) => {
      const store = new TemplateStore();
      await forEachName(names, (name) => removeTemplate(store, name));
    });
}

async function removeTemplate(store: TemplateStore, name: string): Promise<void> {
  const template = await store.get(name);
  if (await store.remove(template)) return;
  throw new CliError(`template ${name}: guests are being started from it: ${template.guests.join(", ")}; try again`);
}
