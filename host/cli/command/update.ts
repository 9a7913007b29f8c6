import type { Command } from "commander";
import { connectTo } from "../../guests/guest-target.ts";
import { limitResources } from "../../image/limit-resources.ts";
import { StateStore } from "../../state/state-store.ts";
import { CliError } from "../cli-error.ts";
import { count, memoryLimit, processors } from "../flags/option-values.ts";
import { findContainer, type TargetFlags, withTarget } from "../guest/target.ts";
import { forEachName } from "../output/for-each-name.ts";
import { checkMemoryUse } from "../run/memory-hint.ts";

interface UpdateFlags extends TargetFlags {
  readonly memory?: number;
  readonly cpus?: number;
  readonly pids?: number;
  readonly pidsLimit?: number;
}

/** Adds `guestctl update`. */
export function addUpdate(program: Command): void {
  const command = program
    .command("update")
    .description("Change limits of running containers; limits not given stay as they are.")
    .argument("<containers...>")
    .option("-m, --memory <size>", "memory limit, such as 256m", memoryLimit)
    .option("--cpus <number>", "CPU limit, such as 1.5", processors)
    .option("--pids <count>", "limit on processes and threads", count)
    .option("--pids-limit <count>", "the same as --pids", count);
  withTarget(command).action((containers: readonly string[], flags: UpdateFlags) => update(containers, flags));
}

async function update(containers: readonly string[], flags: UpdateFlags): Promise<void> {
  const { memory, cpus, pids = flags.pidsLimit } = flags;
  const given = Object.entries({ memory, cpus, pids }).filter(([, value]) => value !== undefined);
  const resources = limitResources(Object.fromEntries(given));
  if (Object.keys(resources).length === 0) throw new CliError("update: no limit given; add --memory, --cpus or --pids");
  await forEachName(containers, async (text) => {
    const target = findContainer(new StateStore(), flags, text);
    await using client = await connectTo(target);
    if (memory !== undefined) await checkMemoryUse(client, target.container, memory);
    await client.agent.updateContainer({ container_id: target.container, resources });
  });
}
