import type { Command } from "commander";
import { eachName } from "../each-name.ts";
import { StateStore } from "../state-store.ts";
import { connectTo, findContainer, type TargetFlags, withTarget } from "../target.ts";

/** `guestctl pause` and `guestctl unpause`. */
export function addPause(program: Command): void {
  const commands = [
    { name: "pause", summary: "stop containers' processes where they are", paused: true },
    { name: "unpause", summary: "let paused containers run again", paused: false },
  ] as const;
  for (const { name, summary, paused } of commands) {
    const description = paused
      ? "Freezes all processes of containers, by their cgroup."
      : "Thaws all processes of containers that were paused.";
    const command = program.command(name).summary(summary).description(description).argument("<containers...>");
    withTarget(command).action((containers: readonly string[], flags: TargetFlags) =>
      eachName(containers, (container) => pause(container, flags, paused)),
    );
  }
}

async function pause(text: string, flags: TargetFlags, paused: boolean): Promise<void> {
  const store = new StateStore();
  const { container, guest, ...target } = findContainer(store, flags, text);
  await using client = await connectTo({ ...target, ...(guest === undefined ? {} : { guest }) });
  if (paused) await client.agent.pauseContainer({ container_id: container });
  else await client.agent.resumeContainer({ container_id: container });
  if (guest !== undefined) store.updateProcess(guest.name, { container, exec: container }, { paused });
}
