import { isAlive } from "../../../lib/process-owner.ts";
import type { ContainerTarget } from "../../guests/guest-target.ts";
import { signalProcess } from "../../machine/signal-process.ts";
import { waitForOwner } from "../../state/owner-process.ts";
import type { StateStore } from "../../state/state-store.ts";

/** Notes that a user ends a container, so that its restart policy doesn't run it again. */
export function noteStopped(store: StateStore, { guest, container, record }: ContainerTarget): void {
  if (guest === undefined || record?.kept === undefined) return;
  store.processes.update(guest.name, { container, exec: container }, { stopped: true });
}

/** Ends the guestctl that waits to run an ended container again. */
export async function endRestarts(store: StateStore, target: ContainerTarget): Promise<void> {
  const { keeper, restarting } = target.record ?? {};
  if (restarting === undefined || keeper === undefined || !isAlive(keeper)) return;
  noteStopped(store, target);
  signalProcess(keeper, "SIGTERM");
  await waitForOwner(target.container, keeper);
}
