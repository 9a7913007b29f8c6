import { constants } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { isAlive } from "../../../lib/process-owner.ts";
import type { CallOptions } from "../../client/rpc-channel.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { unplugLayer } from "../guest/block-storages.ts";
import { explainLostCall } from "../guest/guest-death.ts";
import { type ContainerTarget, sharedFolderOf } from "../guest/guest-target.ts";
import { removeContainer as removeFiles } from "../guest/shared-folder.ts";
import type { Guest } from "../guest.ts";
import type { GuestRecord } from "../record/state-records.ts";
import { LOST, type StateStore } from "../record/state-store.ts";
import { endRestarts, noteStopped, waitForKeeper } from "./end-restarts.ts";
import { isRemovedContainer } from "./removed-container.ts";

const { SIGTERM, SIGKILL } = constants.signals;
/** Seconds until a container is killed that doesn't end by its signal, unless its record has others. */
const GRACE_SECONDS = 10;
const REMOVE_SECONDS = 30;

/** How a container is stopped, instead of as its record says. */
export interface StopOptions {
  readonly signal?: number | undefined;
  /** After which it is killed. */
  readonly seconds?: number | undefined;
}

/** A container that is to end. */
interface Ending {
  readonly guest: Guest;
  readonly target: ContainerTarget;
}

/** Has a container end by a signal, and kills it after some seconds. Resolves once it has ended and that is recorded. */
export async function stopContainer({ guest, target }: Ending, { signal, seconds }: StopOptions): Promise<void> {
  const { container } = target;
  const { kept, ended: hasEnded, stopSignal = SIGTERM, stopTimeout = GRACE_SECONDS } = target.record ?? {};
  if (hasEnded !== undefined) return await endRestarts(guest.store, target);
  noteStopped(guest.store, target);
  const id = { container_id: container, exec_id: container };
  await guest.call(async ({ agent }) => {
    const timer = new AbortController();
    // Requested before the signal: of `run --rm` the container may be gone as soon as it has ended.
    const ended = agent.waitProcess(id);
    ended.catch(() => undefined); // a failed signal is reported instead
    await agent.signalProcess({ ...id, signal: signal ?? stopSignal });
    const late = delay((seconds ?? stopTimeout) * 1000, undefined, { signal: timer.signal }).then(
      () => agent.signalProcess({ ...id, signal: SIGKILL }),
      () => undefined,
    );
    await ended.finally(() => timer.abort());
    await late;
  });
  // The supervisor records the end.
  if (kept !== undefined) await waitForKeeper(guest.store, target);
}

/** Waits for a container's end. Returns its exit code. */
export async function waitForContainer({ guest, target }: Ending): Promise<number> {
  const { store } = guest;
  const { container, guest: record, record: process } = target;
  if (process?.ended !== undefined) return process.ended.code;
  try {
    const id = { container_id: container, exec_id: container };
    return (await guest.call(({ agent }) => agent.waitProcess(id))).status;
  } catch (error) {
    if (record === undefined || process?.kept === undefined) throw error;
    // The container or its guest ended during the call; the end is recorded a little later.
    const lost = await explainLostCall(store, record.name, error as Error);
    const { ended } = store.processes.list(record.name).find(({ exec }) => exec === container) ?? {};
    // A saved guest that can't continue has lost no container.
    const isUnknown = lost === error ? !(error instanceof RpcError) : isSaved(store, record);
    if (ended === undefined && isUnknown) throw lost;
    return ended?.code ?? LOST;
  }
}

/** Kills a container's processes and removes it, with its record and its files. */
export async function removeContainer(
  { guest, target }: Ending,
  seconds = REMOVE_SECONDS,
  options?: CallOptions,
): Promise<void> {
  const { store } = guest;
  const { container, guest: record, record: process } = target;
  await endRestarts(store, target);
  noteStopped(store, target);
  if (process?.ended === undefined) {
    await removeFromGuest({ guest, target }, seconds, options);
    await removeRest(store, target);
  }
  if (record !== undefined) store.removeProcess(record.name, { container, exec: container });
}

/** Has the agent remove it. A container that it no longer has, or whose guest ended before the answer, is only in our records. */
async function removeFromGuest({ guest, target }: Ending, timeout: number, options?: CallOptions): Promise<void> {
  const { container, guest: record } = target;
  try {
    await guest.call(({ agent }) => agent.removeContainer({ container_id: container, timeout }, options));
  } catch (error) {
    if (record === undefined) throw error;
    const cause = isRemovedContainer(error)
      ? undefined
      : await explainLostCall(guest.store, record.name, error as Error);
    if (cause === error || isSaved(guest.store, record)) throw cause;
  }
}

/** Whoever serves it removes its files, its hold on the image, and the guest if it is its own; otherwise this does. */
async function removeRest(store: StateStore, target: ContainerTarget): Promise<void> {
  const { container, guest, record } = target;
  if (guest === undefined) return;
  if (record?.keeper !== undefined && isAlive(record.keeper)) return await waitForKeeper(store, target);
  if (guest.folder !== undefined) await removeFiles(sharedFolderOf(guest), record?.directory ?? container);
  if (record?.layer !== undefined) await unplugLayer(guest, record.layer);
}

function isSaved(store: StateStore, { name }: GuestRecord): boolean {
  return store.guests().some((guest) => guest.name === name && guest.isSaved);
}
