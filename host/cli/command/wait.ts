import type { Command } from "commander";
import { RpcError } from "../../client/rpc-error.ts";
import { explainLostCall } from "../../engine/guest/guest-death.ts";
import { type ContainerTarget, connectTo } from "../../engine/guest/guest-target.ts";
import { LOST, StateStore } from "../../engine/record/state-store.ts";
import { findAnyContainer, type TargetFlags, withTarget } from "../guest/target.ts";
import { print } from "../output/print.ts";

/** Adds `guestctl wait`. */
export function addWait(program: Command): void {
  const command = program
    .command("wait")
    .description("Wait until containers end, and print their exit codes, one per line.")
    .argument("<containers...>");
  withTarget(command).action((containers: readonly string[], flags: TargetFlags) => wait(containers, flags));
}

/** Looks up all containers before waiting for the first: the record of one that isn't kept disappears at its end. */
async function wait(containers: readonly string[], flags: TargetFlags): Promise<void> {
  const store = new StateStore();
  const codes = containers.map((text) => exitCode(store, findAnyContainer(store, flags, text)));
  for (const code of await Promise.all(codes)) await print(`${code}\n`);
}

async function exitCode(store: StateStore, target: ContainerTarget): Promise<number> {
  const { container, guest, record } = target;
  if (record?.ended !== undefined) return record.ended.code;
  try {
    await using client = await connectTo(target);
    return (await client.agent.waitProcess({ container_id: container, exec_id: container })).status;
  } catch (error) {
    if (guest === undefined || record?.kept === undefined) throw error;
    // The container or its guest ended during the call; the end is recorded a little later.
    const lost = await explainLostCall(store, guest.name, error as Error);
    const { ended } = store.processes.list(guest.name).find((each) => each.exec === container) ?? {};
    // A saved guest that can't continue has lost no container.
    const isSaved = store.guests().some(({ name, isSaved }) => name === guest.name && isSaved);
    if (ended === undefined && (lost === error ? !(error instanceof RpcError) : isSaved)) throw lost;
    return ended?.code ?? LOST;
  }
}
