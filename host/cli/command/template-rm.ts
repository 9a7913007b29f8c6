import type { Command } from "commander";
import { TemplateStore } from "../../guests/template/template-store.ts";
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
      await forEachName(names, (name) => store.remove(name));
    });
}
