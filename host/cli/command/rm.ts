import type { Command } from "commander";
import { isAlive } from "../../../lib/process-owner.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { removeContainer } from "../../sandbox/shared-folder.ts";
import { eachName } from "../each-name.ts";
import { count } from "../option-values.ts";
import { StateStore } from "../state-store.ts";
import {
  type ContainerTarget,
  connectTo,
  findAnyContainer,
  sharedFolderOf,
  type TargetFlags,
  withTarget,
} from "../target.ts";
import { waitForOwner } from "../wait-for-owner.ts";

interface RmFlags extends TargetFlags {
  readonly time: number;
}

const HELP = `
A guestctl run that waits for a container which is removed says so and fails. A name may also be that of a guest that died:
its log and console are removed.`;

/** `guestctl rm`. */
export function addRm(program: Command): void {
  const command = program
    .command("rm")
    .summary("remove containers")
    .description("Kills what runs in containers and removes them, with the exit code and output of those that ended.")
    .argument("<containers...>")
    .option("--time <seconds>", "give up after that", count, 30);
  withTarget(command)
    .addHelpText("after", HELP)
    .action((containers: readonly string[], flags: RmFlags) =>
      eachName(containers, (container) => rm(container, flags)),
    );
}

async function rm(text: string, { time, ...flags }: RmFlags): Promise<void> {
  const store = new StateStore();
  const dead = store.endedGuests().find(({ name }) => name === text);
  if (dead !== undefined && flags.address === undefined) return store.removeGuest(text);
  const target = findAnyContainer(store, flags, text);
  const { guest, container, record } = target;
  if (record?.ended === undefined) await removeRunning(target, time);
  if (guest !== undefined) store.removeProcess(guest.name, { container, exec: container });
}

async function removeRunning(target: ContainerTarget, timeout: number): Promise<void> {
  const { guest, container, record } = target;
  await using client = await connectTo(target);
  try {
    await client.agent.removeContainer({ container_id: container, timeout });
  } catch (error) {
    // What the agent no longer has is only in our notes.
    if (guest === undefined || !(error instanceof RpcError && error.kind === "invalid-argument")) throw error;
  }
  if (guest === undefined) return;
  const keeper = record?.keeper;
  if (keeper !== undefined && isAlive(keeper)) {
    // Its guestctl removes the rest: the rootfs, and the guest where that is the container's own.
    if (guest.name === container) await waitForOwner(guest.name, keeper);
  } else await removeContainer(sharedFolderOf(guest), container);
}
