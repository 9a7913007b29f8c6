import { connectTo } from "../../guest/guest-target.ts";
import type { GuestRecord } from "../../record/state-records.ts";
import type { StateStore } from "../../record/state-store.ts";

/** A running guest, which is not saved before disposal. */
export interface AwakeGuest extends AsyncDisposable {
  /** Its record, with the places that it has now. */
  readonly guest: GuestRecord;
}

/** Continues a guest if it is saved, and keeps it in use until disposal. Rejects with one line. */
export async function holdAwake(store: StateStore, guest: GuestRecord): Promise<AwakeGuest> {
  if (guest.idleMs === undefined) return { guest, [Symbol.asyncDispose]: async () => undefined };
  await using undo = new AsyncDisposableStack();
  const client = undo.use(await connectTo({ address: guest.address, guest }));
  await client.health.check({});
  const held = undo.move();
  const present = store.guest(guest.name) ?? guest;
  return { guest: present, [Symbol.asyncDispose]: () => held.disposeAsync() };
}
