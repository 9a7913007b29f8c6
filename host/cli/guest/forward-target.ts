import { streamsAddress } from "../../client/streams/streams-address.ts";
import { checkedAddress, type Target } from "../../engine/guest/guest-target.ts";
import { Guest } from "../../engine/guest.ts";
import type { StateStore } from "../../engine/record/state-store.ts";
import { noteFound } from "../audit/noted-operation.ts";
import { findContainer, type TargetFlags } from "./target.ts";

export interface ForwardPlace {
  readonly guest: Guest;
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
    return placeOf(store, noteFound({ address: guest.address, guest }), "");
  }
  const target = findContainer(store, flags, text);
  return placeOf(store, target, target.container);
}

function placeOf(store: StateStore, target: Target, container: string): ForwardPlace {
  const address = () => streamsAddress(checkedAddress(target.address));
  return { guest: new Guest(store, target), address, container };
}
