import type { Command } from "commander";
import { Container } from "../../engine/container.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { CliError } from "../cli-error.ts";
import { count, memoryLimit, processors, seconds } from "../flags/option-values.ts";
import { findGuest } from "../guest/find-guest.ts";
import { findContainer, type TargetFlags, withTarget } from "../guest/target.ts";
import { forEachName } from "../output/for-each-name.ts";

interface UpdateFlags extends TargetFlags {
  readonly memory?: number;
  readonly cpus?: number;
  readonly pids?: number;
  readonly pidsLimit?: number;
  readonly timeout?: number;
  readonly idle?: number;
}

const HELP = `
With containers, these are their limits. With --guest alone, --memory is a guest's memory, up to what it was booted
with, and --timeout and --idle are its limits of time:

  guestctl update --memory 256m web
  guestctl update --guest dev --memory 384m
  guestctl update --guest dev --timeout 7200`;

/** Adds `guestctl update`. */
export function addUpdate(program: Command): void {
  const command = program
    .command("update")
    .description("Change limits of running containers, or of a guest; limits not given stay as they are.")
    .argument("[containers...]")
    .option("-m, --memory <size>", "memory limit, such as 256m", memoryLimit)
    .option("--cpus <number>", "CPU limit, such as 1.5", processors)
    .option("--pids <count>", "limit on processes and threads", count)
    .option("--pids-limit <count>", "the same as --pids", count)
    .option("--timeout <seconds>", "power the guest off after this time from now; 0: never", seconds)
    .option("--idle <seconds>", "save the guest after this time without use; 0: never", seconds)
    .addHelpText("after", HELP);
  withTarget(command).action((containers: readonly string[], flags: UpdateFlags) => update(containers, flags));
}

async function update(containers: readonly string[], flags: UpdateFlags): Promise<void> {
  const { memory, cpus, pids = flags.pidsLimit, guest, timeout, idle } = flags;
  const isGuest = (timeout ?? idle) !== undefined || (guest !== undefined && containers.length === 0);
  if (isGuest) return await updateGuest(containers, flags);
  if (containers.length === 0) throw new CliError("update: no container given; name those whose limits change");
  if ((memory ?? cpus ?? pids) === undefined)
    throw new CliError("update: no limit given; add --memory, --cpus or --pids");
  await forEachName(containers, async (text) => {
    const store = new StateStore();
    await new Container(store, findContainer(store, flags, text)).update({ memory, cpus, pids });
  });
}

async function updateGuest(
  containers: readonly string[],
  { guest, memory, cpus, pids, pidsLimit = pids, timeout, idle }: UpdateFlags,
): Promise<void> {
  if (guest === undefined || containers.length > 0) {
    const what = timeout === undefined ? "--idle" : "--timeout";
    throw new CliError(`update: ${what} is a guest's limit; give it with --guest, and without containers`);
  }
  if ((cpus ?? pidsLimit) !== undefined || (memory ?? timeout ?? idle) === undefined) {
    throw new CliError(
      "update: a guest has no limits but --memory, --timeout and --idle; for others, name a container",
    );
  }
  const kept = findGuest(guest);
  if (memory !== undefined) await kept.resize(Math.ceil(memory / 2 ** 20));
  if (idle !== undefined) await kept.setIdleLimit(idle * 1000);
  if (timeout !== undefined) await kept.setTimeLimit(timeout === 0 ? undefined : timeout * 1000);
}
