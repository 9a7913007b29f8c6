import type { Command } from "commander";
import { Container } from "../../engine/container.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { CliError } from "../cli-error.ts";
import { findGuest } from "../guest/find-guest.ts";
import { findContainer, type TargetFlags, withTarget } from "../guest/target.ts";
import { forEachName } from "../output/for-each-name.ts";

const HELP = `
With --guest and no container, the guest itself: its processors stop, and it continues with the present time.`;

/** Adds `guestctl pause`. */
export function addPause(program: Command): void {
  addTo(program.command("pause").description("Freeze all processes of containers with their cgroups' freezer."), true);
}

/** Adds `guestctl unpause`, also called resume. */
export function addUnpause(program: Command): void {
  const command = program.command("unpause").alias("resume");
  addTo(command.description("Thaw all processes of paused containers."), false);
}

function addTo(command: Command, paused: boolean): void {
  withTarget(command.argument("[containers...]"))
    .addHelpText("after", HELP)
    .action((containers: readonly string[], flags: TargetFlags) =>
      containers.length === 0
        ? pauseGuest(command.name(), flags, paused)
        : forEachName(containers, (container) => pause(container, flags, paused)),
    );
}

async function pauseGuest(command: string, { guest }: TargetFlags, paused: boolean): Promise<void> {
  if (guest === undefined) throw new CliError(`${command}: no container given; name one, or a guest with --guest`);
  const kept = findGuest(guest);
  await (paused ? kept.pause() : kept.resume());
  process.stdout.write(`${guest}\n`);
}

async function pause(text: string, flags: TargetFlags, paused: boolean): Promise<void> {
  const store = new StateStore();
  const container = new Container(store, findContainer(store, flags, text));
  await (paused ? container.pause() : container.resume());
}
