import { Guest } from "../../engine/guest.ts";
import { StateStore } from "../../engine/record/state-store.ts";
import { findTarget } from "./target.ts";

/** Returns the running guest of a name. Throws CliError if there is none. */
export function findGuest(name: string): Guest {
  const store = new StateStore();
  return new Guest(store, findTarget(store, { guest: name }));
}
