import type { Command } from "commander";
import { endRestarts } from "../../engine/container/end-restarts.ts";
import { Container } from "../../engine/container.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { noteOperation } from "../audit/noted-operation.ts";
import { count } from "../flags/option-values.ts";
import { findAnyContainer, type TargetFlags, UnknownContainer, withTarget } from "../guest/target.ts";
import { forEachName } from "../output/for-each-name.ts";

interface RmFlags extends TargetFlags {
  readonly time: number;
  readonly force?: true;
}

const HELP = `
A guestctl run waiting for a removed container fails and reports the removal. A name may also be that of a guest that died;
this removes its log and console.`;

/** Adds `guestctl rm`. */
export function addRm(program: Command): void {
  const command = program
    .command("rm")
    .description("Kill the processes of containers and remove the containers, including kept exit codes and output.")
    .argument("<containers...>")
    .option("-f, --force", "count a container that doesn't exist as removed; running ones are killed in any case")
    .option("--time <seconds>", "fail if the removal takes longer", count, 30);
  withTarget(command)
    .addHelpText("after", HELP)
    .action((containers: readonly string[], flags: RmFlags) =>
      forEachName(containers, (container) => rm(container, flags)),
    );
}

async function rm(text: string, flags: RmFlags): Promise<void> {
  try {
    await remove(text, flags);
  } catch (error) {
    if (!(flags.force && error instanceof UnknownContainer)) throw error;
  }
}

async function remove(text: string, { time, ...flags }: RmFlags): Promise<void> {
  const store = new StateStore();
  const dead = store.endedGuests().find(({ name }) => name === text);
  if (dead !== undefined && flags.address === undefined) {
    noteOperation({ guest: text });
    const records = store.processes.list(text);
    const record = records.find(({ exec }) => exec === text);
    const others = records.filter(({ exec, container }) => exec === container && container !== text);
    if (record !== undefined) await endRestarts(store, { address: dead.address, guest: dead, container: text, record });
    store.removeGuest(text);
    if (others.length === 0) return;
    const names = others.map(({ container }) => container).join(", ");
    return void process.stderr.write(`guestctl: guest ${text}: the records of its containers went with it: ${names}\n`);
  }
  const target = findAnyContainer(store, flags, text, "exact");
  await new Container(store, target).remove(time);
}
