import type { ContainerTarget } from "../guest/guest-target.ts";
import { waitForOwner } from "../record/owner-process.ts";
import type { StateStore } from "../record/state-store.ts";
import { endSupervised } from "../supervisor/supervise.ts";

/** Notes that a user ends a container, so that its restart policy doesn't run it again. */
export function noteStopped(store: StateStore, { guest, container, record }: ContainerTarget): void {
  if (guest === undefined || record?.kept === undefined) return;
  store.processes.update(guest.name, { container, exec: container }, { stopped: true });
}

/** Ends the wait for the next run of an ended container. */
export async function endRestarts(store: StateStore, target: ContainerTarget): Promise<void> {
  if (target.record?.restarting === undefined || target.guest === undefined) return;
  noteStopped(store, target);
  await endSupervised(store, target.guest.name, target.container);
}

/** Resolves once nobody serves a container any more, nor removes what is left of it. */
export async function waitForKeeper(store: StateStore, { guest, container }: ContainerTarget): Promise<void> {
  if (guest === undefined) return;
  const find = () => store.processes.list(guest.name).find(({ exec }) => exec === container)?.keeper;
  await waitForOwner(`container ${container}`, find);
}
