import type { Command } from "commander";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { sizeText } from "../../size-text.ts";
import { findGuest } from "../guest/find-guest.ts";
import { print } from "../output/print.ts";

const HELP = `
The guest stands still meanwhile and then continues. Its connections end: commands such as guestctl exec connect again and
continue at their byte. A guest whose containers use a shared folder (run -v) can't be saved.

  guestctl snapshot dev dev-1
  guestctl boot -d --template dev-1 --name again`;

/** Adds `guestctl snapshot`. */
export function addSnapshot(program: Command): void {
  program
    .command("snapshot")
    .description("Save a running guest with its containers as a template.")
    .argument("<guest>")
    .argument("<name>")
    .addHelpText("after", HELP)
    .action((guest: string, name: string) => snapshot(guest, name));
}

async function snapshot(text: string, name: string): Promise<void> {
  using interrupts = new Interrupts();
  const bytes = await interrupts.during(findGuest(text).snapshot(name, interrupts.signal));
  await print(`${name}  ${sizeText(bytes)}\n`);
}
