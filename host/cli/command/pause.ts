import type { Command } from "commander";
import { connectTo } from "../../guests/guest-target.ts";
import { StateStore } from "../../state/state-store.ts";
import { findContainer, type TargetFlags, withTarget } from "../guest/target.ts";
import { forEachName } from "../output/for-each-name.ts";

/** Adds `guestctl pause` and `guestctl unpause`. */
export function addPause(program: Command): void {
  const commands = [
    { name: "pause", summary: "freeze containers' processes", paused: true },
    { name: "unpause", summary: "resume paused containers", paused: false },
  ] as const;
  for (const { name, summary, paused } of commands) {
    const description = paused
      ? "Freeze all processes of containers with their cgroups' freezer."
      : "Thaw all processes of paused containers.";
    const command = program.command(name).summary(summary).description(description).argument("<containers...>");
    withTarget(command).action((containers: readonly string[], flags: TargetFlags) =>
      forEachName(containers, (container) => pause(container, flags, paused)),
    );
  }
}

async function pause(text: string, flags: TargetFlags, paused: boolean): Promise<void> {
  const store = new StateStore();
  const { container, guest, ...target } = findContainer(store, flags, text);
  await using client = await connectTo({ ...target, ...(guest === undefined ? {} : { guest }) });
  if (paused) await client.agent.pauseContainer({ container_id: container });
  else await client.agent.resumeContainer({ container_id: container });
  if (guest !== undefined) store.processes.update(guest.name, { container, exec: container }, { paused });
}
