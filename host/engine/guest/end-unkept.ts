import { dirname } from "node:path";
import { GuestProcesses } from "../../vm/guest-processes.ts";
import type { GuestRecord } from "../record/state-records.ts";
import type { StateStore } from "../record/state-store.ts";

/** Ends a guest that no process keeps, without a power-off: its agent may not answer. */
export async function endUnkept(store: StateStore, { name, control = "" }: GuestRecord): Promise<void> {
  await GuestProcesses.find(dirname(control)).processes.end(true);
  for (const each of store.processes.list(name)) store.processes.update(name, each, { stopped: true });
  store.closeGuest(name);
}
