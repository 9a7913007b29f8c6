import type { Command } from "commander";
import { connectTo } from "../../guests/guest-target.ts";
import { askKeeper } from "../../guests/keeper/ask-keeper.ts";
import { StateStore } from "../../state/state-store.ts";
import { CliError } from "../cli-error.ts";
import { findContainer, type TargetFlags, withTarget } from "../guest/target.ts";
import { forEachName } from "../output/for-each-name.ts";
import { keeperOf } from "./snapshot.ts";

const HELP = `
With --guest and no container, the guest itself: its processors stop, and it continues with the present time.`;

/** Adds `guestctl pause` and `guestctl unpause`, also called resume. */
export function addPause(program: Command): void {
  const commands = [
    { name: "pause", alias: undefined, summary: "freeze containers' processes, or a guest", paused: true },
    { name: "unpause", alias: "resume", summary: "resume paused containers, or a guest", paused: false },
  ] as const;
  for (const { name, alias, summary, paused } of commands) {
    const description = paused
      ? "Freeze all processes of containers with their cgroups' freezer."
      : "Thaw all processes of paused containers.";
    const command = program.command(name).summary(summary).description(description).argument("[containers...]");
    if (alias !== undefined) command.alias(alias);
    withTarget(command)
      .addHelpText("after", HELP)
      .action((containers: readonly string[], flags: TargetFlags) =>
        containers.length === 0
          ? pauseGuest(name, flags, paused)
          : forEachName(containers, (container) => pause(container, flags, paused)),
      );
  }
}

async function pauseGuest(command: string, { guest }: TargetFlags, paused: boolean): Promise<void> {
  if (guest === undefined) throw new CliError(`${command}: no container given; name one, or a guest with --guest`);
  await askKeeper(keeperOf(guest), paused ? "pause" : "resume", {});
  process.stdout.write(`${guest}\n`);
}

async function pause(text: string, flags: TargetFlags, paused: boolean): Promise<void> {
  const store = new StateStore();
  const { container, guest, ...target } = findContainer(store, flags, text);
  await using client = await connectTo({ ...target, ...(guest === undefined ? {} : { guest }) });
  if (paused) await client.agent.pauseContainer({ container_id: container });
  else await client.agent.resumeContainer({ container_id: container });
  if (guest !== undefined) store.processes.update(guest.name, { container, exec: container }, { paused });
}
