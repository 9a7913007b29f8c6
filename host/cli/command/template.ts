import type { Command } from "commander";
import { addTemplateCreate } from "./template-create.ts";
import { addTemplateInspect } from "./template-inspect.ts";
import { addTemplateLs } from "./template-ls.ts";
import { addTemplateRm } from "./template-rm.ts";

/** Adds `guestctl template`. */
export function addTemplate(program: Command): void {
  const command = program
    .command("template")
    .description(
      "Save a guest that is warm, with a container if you like, and start others from it in a fraction of the time.",
    );
  addTemplateCreate(command);
  addTemplateLs(command);
  addTemplateInspect(command);
  addTemplateRm(command);
}
