import { isSameProcess } from "../../../lib/process-owner.ts";
import { DialError } from "../../client/dial.ts";
import { OperationError } from "../../operation-error.ts";
import type { GuestRecord } from "../record/state-records.ts";
import { StateStore } from "../record/state-store.ts";
import { supervise } from "./supervise.ts";

/**
 * Opens a connection to a guest. Clients of one with `idleMs` connect through its keeper: if that was killed, leaves the guest to
 * another (`supervise`), then opens the connection once more. Rejects with the error of `open`, or OperationError if no other
 * process keeps the guest.
 */
export async function openKept<T>(guest: GuestRecord | undefined, open: () => Promise<T>): Promise<T> {
  if (guest?.idleMs === undefined) return open();
  const store = new StateStore();
  const before = store.owner(guest.name);
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof DialError)) throw error;
    const failures = await supervise(store);
    const isLost = store.unkept().some(({ name }) => name === guest.name);
    if (isLost && failures.length > 0) throw new OperationError(failures.join("; "), { cause: error });
    if (isSameProcess(store.owner(guest.name), before)) throw error;
    return open();
  }
}
