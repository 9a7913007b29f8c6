import { streamsAddress } from "../../client/streams/streams-address.ts";
import { checkedAddress } from "../../engine/guest/guest-target.ts";
import type { StateStore } from "../../engine/record/state-store.ts";
import { noteFound } from "../audit/noted-operation.ts";
import { findContainer, type TargetFlags } from "./target.ts";

export interface ForwardPlace {
  /** Returns the address of guestd.v1.Streams, and checks that it is still that of our guest. Throws FolderError. */
  address(): string;
  /** Empty: the guest itself. */
  readonly container: string;
}

/** Finds the container whose id is or begins with `text`, or the guest of that name. Throws CliError. */
export function findForwardTarget(store: StateStore, flags: TargetFlags, text: string): ForwardPlace {
  const isGuest = flags.address === undefined && flags.guest === undefined;
  const guest = isGuest ? store.guest(text) : undefined;
  const isContainer = guest !== undefined && store.processes.list(guest.name).some((it) => it.container === text);
  if (guest !== undefined && !isContainer) {
    return placeOf(noteFound({ address: guest.address, guest }).address, "");
  }
  const { address, container } = findContainer(store, flags, text);
  return placeOf(address, container);
}

function placeOf(address: string, container: string): ForwardPlace {
  return { address: () => streamsAddress(checkedAddress(address)), container };
}
