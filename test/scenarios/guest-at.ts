import { Guest } from "../../host/engine/guest.ts";
import { StateStore } from "../../host/engine/record/state-store.ts";

/** Returns what clients know about the guest of an agent at an address. */
export const guestAt = (address: string): Guest => new Guest(new StateStore(), { address });
