import { presentClient } from "../../client/agent-client.ts";
import { OperationError } from "../../operation-error.ts";
import type { PreparedRun } from "../container/prepare-run.ts";
import { claimGuest, endOfGuest } from "../guest/boot-while.ts";
import { causeOfDeath } from "../guest/guest-death.ts";
import { bootKeptGuest, type KeptGuestOptions } from "../guest/kept-guest.ts";
import type { ProcessRecord } from "../record/state-records.ts";
import type { StateStore } from "../record/state-store.ts";

/** A clone's container, which runs already, and its own guest. */
export interface PreparedClone extends PreparedRun {
  readonly record: ProcessRecord;
}

/** Continues a guest from a snapshot with one container; the guest powers off at the end. Throws one line. */
export async function prepareClone(
  store: StateStore,
  options: KeptGuestOptions & { readonly snapshot: string },
): Promise<PreparedClone> {
  const { name, snapshot } = options;
  await using undo = new AsyncDisposableStack();
  const claim = claimGuest(undo, store, { name });
  const { guest } = await bootKeptGuest(store, { ...options, hasDisks: true });
  undo.use(guest);
  guest.guest.signal.addEventListener("abort", () => {
    claim.why = causeOfDeath(guest.guest.signal.reason);
  });
  const [record, other] = store.processes.list(name).filter(({ container, exec }) => container === exec);
  if (record === undefined || other !== undefined) {
    const count = record === undefined ? "no container" : "several containers";
    throw new OperationError(`clone ${name}: ${snapshot} has ${count}; give an image, or use guestctl boot --template`);
  }
  const kept = undo.move();
  return {
    record,
    client: presentClient(() => guest.client),
    target: { address: guest.address },
    rootfs: { host: record.rootfs, guest: "" },
    config: {},
    network: options.network !== undefined,
    guest: name,
    died: guest.guest.signal,
    ...endOfGuest(store, name, guest, kept),
  };
}
