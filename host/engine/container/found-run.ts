import { setTimeout as delay } from "node:timers/promises";
import { presentClient } from "../../client/agent-client.ts";
import { unplugLayer } from "../guest/block-storages.ts";
import { claimGuest, endOfGuest, watchDeath } from "../guest/boot-while.ts";
import { sharedFolderOf, unusedGuest } from "../guest/guest-target.ts";
import { findKeptGuest } from "../guest/kept-guest.ts";
import { Suspended } from "../guest/sandbox-guest.ts";
import { removeContainer } from "../guest/shared-folder.ts";
import type { GuestRecord, ProcessRecord } from "../record/state-records.ts";
import type { StateStore } from "../record/state-store.ts";
import type { Idling } from "../supervisor/idle/idling.ts";
import { inRunningGuest } from "./prepare-in-guest.ts";
import type { PreparedRun } from "./prepare-run.ts";

const POLL_MS = 100;

/** Finds a container in its own guest, whose guestctl was killed. The rest of a prepared run is needed only to create one. */
export async function findRunInOwnGuest(
  store: StateStore,
  record: GuestRecord,
  { rootfs }: ProcessRecord,
  idling?: Idling,
): Promise<PreparedRun> {
  const { name } = record;
  const guest = await findKeptGuest(store, record, idling);
  const kept = new AsyncDisposableStack();
  const claim = claimGuest(kept, store, { name, isAgain: true });
  kept.use(guest);
  watchDeath(claim, guest);
  const ends = endOfGuest(store, name, guest, kept);
  return {
    rootfs: { host: rootfs, guest: "" },
    config: {},
    target: { address: guest.address },
    guest: name,
    died: guest.gone,
    client: presentClient(() => guest.client),
    leave: () => void ends.handOver(),
    resumed: async () => {
      while (guest.guest.isPaused) await delay(POLL_MS);
    },
    ...ends,
  };
}

/** Like `findRunInOwnGuest`, for a container in a guest that another process keeps. */
export async function findRunInGuest(
  store: StateStore,
  guest: GuestRecord,
  { container, rootfs, layer, directory = container }: ProcessRecord,
  signal: AbortSignal,
): Promise<PreparedRun> {
  const remove = async () => {
    if (guest.folder !== undefined) await removeContainer(sharedFolderOf(guest), directory);
    if (layer !== undefined) await unplugLayer(guest, layer);
  };
  const parts = { guest: unusedGuest(guest), signal, remove, rootfs: { host: rootfs, guest: "" }, config: {} };
  const findSuspension = () => {
    const present = store.guest(guest.name);
    const isThere = present === undefined || (present.direct === guest.direct && !present.isSaved);
    return isThere ? undefined : new Suspended(`guest ${guest.name}: it was saved`);
  };
  return { ...(await inRunningGuest(parts)), findSuspension };
}
