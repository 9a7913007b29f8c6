import { dirname } from "node:path";
import { presentClient } from "../client/agent-client.ts";
import { useFolder } from "../folder-uses.ts";
import { sharedDisks } from "../machine/disks.ts";
import { GuestProcesses } from "../machine/guest-processes.ts";
import type { SandboxGuest } from "../sandbox/sandbox-guest.ts";
import { removeContainer } from "../sandbox/shared-folder.ts";
import type { GuestRecord, ProcessRecord } from "../state/state-records.ts";
import type { StateStore } from "../state/state-store.ts";
import { unplugLayer } from "./block-storages.ts";
import { endOfGuest, type GuestClaim, watchDeath } from "./boot-while.ts";
import { connectTo, sharedFolderOf } from "./guest-target.ts";
import { findKeptGuest } from "./kept-guest.ts";
import type { PreparedRun } from "./prepare-run.ts";

/**
 * Finds a guest whose keeper was killed, and keeps it in this process until disposal, which ends it. The files of its
 * containers' roots can't be removed meanwhile. If this fails, the guest goes on. Throws OperationError if another process
 * keeps it.
 */
export async function findGuest(
  store: StateStore,
  record: GuestRecord,
  undo: AsyncDisposableStack,
): Promise<SandboxGuest> {
  store.reclaim(record.name);
  const guest = await findKeptGuest(store, record);
  const claim: GuestClaim = { store, undo };
  undo.defer(() => store.closeGuest(record.name, claim.why));
  undo.defer(() => guest[Symbol.asyncDispose]());
  watchDeath(claim, guest);
  await using qmp = await guest.guest.qmp();
  for (const { file } of await sharedDisks(qmp)) undo.use(useFolder(dirname(file), record.name));
  return guest;
}

/** Ends a guest that no process keeps, without a power-off: its agent may not answer. */
export async function endUnkept(store: StateStore, { name, control = "" }: GuestRecord): Promise<void> {
  await GuestProcesses.find(dirname(control)).end(true);
  store.closeGuest(name);
}

/** Returns what a container that runs in its own guest was prepared with, as far as its end needs it. */
export async function findRunInOwnGuest(
  store: StateStore,
  record: GuestRecord,
  container: ProcessRecord,
): Promise<PreparedRun> {
  await using undo = new AsyncDisposableStack();
  const guest = await findGuest(store, record, undo);
  const kept = undo.move();
  return {
    ...partsOf(container),
    client: presentClient(() => guest.client),
    target: { address: record.address },
    guest: record.name,
    died: guest.guest.signal,
    ...endOfGuest(store, record.name, guest, kept),
  };
}

/** Like `findRunInOwnGuest`, for a container in a guest that another process keeps. */
export async function findRunInGuest(guest: GuestRecord, container: ProcessRecord): Promise<PreparedRun> {
  const target = { address: guest.address, guest };
  const client = await connectTo(target, { again: true });
  let isLeft = false;
  const leave = () => {
    isLeft = true;
  };
  const end = async () => {
    await client.close();
    if (isLeft) return;
    if (guest.folder !== undefined) await removeContainer(sharedFolderOf(guest), container.container);
    if (container.layer !== undefined) await unplugLayer(guest, container.layer);
  };
  return { ...partsOf(container), client, target, guest: guest.name, leave, end, [Symbol.asyncDispose]: end };
}

/** The rest is needed only to create a container. */
function partsOf({ rootfs }: ProcessRecord): Pick<PreparedRun, "rootfs" | "config"> {
  return { rootfs: { host: rootfs, guest: "" }, config: {} };
}
