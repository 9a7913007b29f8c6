import { join } from "node:path";
import type { Command } from "commander";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { askKeeper } from "../../engine/supervisor/ask-keeper.ts";
import { holdAwake } from "../../engine/supervisor/idle/hold-awake.ts";
import { KEEPER_SOCKET } from "../../engine/supervisor/keeper-operations.ts";
import { sizeText } from "../../size-text.ts";
import { findTarget } from "../guest/target.ts";
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
  const keeper = await interrupts.during(keeperOf(text));
  const { bytes } = await interrupts.during(askKeeper(keeper, "snapshot", { name }, interrupts.signal));
  await print(`${name}  ${sizeText(bytes)}\n`);
}

/** Returns the place of a guest's keeper, after continuing one that is saved. Throws CliError if the guest doesn't run. */
export async function keeperOf(text: string): Promise<{ readonly guest: string; readonly socket: string }> {
  const store = new StateStore();
  const { guest } = findTarget(store, { guest: text });
  const name = guest?.name ?? text;
  if (guest?.isSaved) await (await holdAwake(store, guest))[Symbol.asyncDispose]();
  return { guest: name, socket: join(store.directory(name), KEEPER_SOCKET) };
}
