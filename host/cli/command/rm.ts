import type { Command } from "commander";
import { count } from "../option-values.ts";
import { StateStore } from "../state-store.ts";
import { connectTo, findContainer, type TargetFlags, withTarget } from "../target.ts";

interface RmFlags extends TargetFlags {
  readonly time: number;
}

/** `guestctl rm`. */
export function addRm(program: Command): void {
  const command = program
    .command("rm")
    .summary("remove a container")
    .description(
      "Kills what runs in a container and removes it. A guestctl run that waits for it then says so and fails.",
    )
    .argument("<container>")
    .option("--time <seconds>", "give up after that", count, 30);
  withTarget(command).action((container: string, flags: RmFlags) => rm(container, flags));
}

async function rm(text: string, { time, ...flags }: RmFlags): Promise<void> {
  const store = new StateStore();
  const target = findContainer(store, flags, text);
  await using client = await connectTo(target);
  await client.agent.removeContainer({ container_id: target.container, timeout: time });
  if (target.guest !== undefined)
    store.removeProcess(target.guest.name, { container: target.container, exec: target.container });
}
