import type { Command } from "commander";
import { Interrupts } from "../../engine/attach/interrupts.ts";
import type { StateStore } from "../../engine/record/state-store.ts";
import { oneLine } from "../../operation-error.ts";
import { noteOperation } from "../audit/noted-operation.ts";
import { count, identifier } from "../flags/option-values.ts";
import { bootDetached } from "../guest/boot-guest.ts";
import { findGuest } from "../guest/find-guest.ts";
import { print } from "../output/print.ts";

interface ForkFlags {
  readonly count: number;
  readonly name?: string;
}

const HELP = `
Clones have the guest's containers, processes, files and unread output of that moment, and randomness, time, addresses and
host names of their own. Commands that are attached stay with the guest. Each clone runs in the background until guestctl
stop; its name stands for its container, as long as it has only one.

  guestctl fork dev --count 3 --name try
  guestctl exec try-2 ls`;

/** Adds `guestctl fork`. */
export function addFork(program: Command): void {
  program
    .command("fork")
    .description("Save a running guest and start copies of it. Prints their names.")
    .argument("<guest>")
    .option("--count <number>", "number of copies", count, 1)
    .option("--name <name>", "names the copies NAME-1, NAME-2 … (default: the guest's name)", identifier)
    .addHelpText("after", HELP)
    .action((guest: string, flags: ForkFlags) => fork(guest, flags));
}

async function fork(text: string, flags: ForkFlags): Promise<void> {
  const guest = findGuest(text);
  const { store } = guest;
  const names = freeNames(store, flags.name ?? text, flags.count);
  using interrupts = new Interrupts();
  const { signal } = interrupts;
  const startClones = async ({ name: template }: { readonly name: string }) => {
    for (const name of names) {
      signal.throwIfAborted();
      await startClone(store, template, name, interrupts);
    }
  };
  await guest.fork(startClones, signal);
}

/** Starts a clone and prints its name, or its error: the others are started all the same. */
async function startClone(store: StateStore, template: string, name: string, interrupts: Interrupts): Promise<void> {
  noteOperation({ guest: name });
  try {
    await bootDetached(store, name, { template }, interrupts);
    await print(`${name}\n`);
  } catch (error) {
    process.stderr.write(`guestctl: ${name}: ${oneLine(error)}\n`);
    process.exitCode = 1;
  }
}

/** Returns the first names of the form NAME-1, NAME-2 … that no guest has. */
function freeNames(store: StateStore, prefix: string, wanted: number): readonly string[] {
  const taken = new Set([...store.guests(), ...store.endedGuests()].map(({ name }) => name));
  const names: string[] = [];
  for (let number = 1; names.length < wanted; number++) {
    if (!taken.has(`${prefix}-${number}`)) names.push(`${prefix}-${number}`);
  }
  return names;
}
