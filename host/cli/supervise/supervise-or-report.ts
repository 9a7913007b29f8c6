import { supervise } from "../../guests/supervise/supervise.ts";
import type { StateStore } from "../../state/state-store.ts";
import { visibleLine } from "../../visible.ts";

/** Leaves what no process keeps to the supervisor (`supervise`), and prints a line for each failure. */
export async function superviseOrReport(store?: StateStore): Promise<void> {
  for (const failure of await supervise(store)) process.stderr.write(`guestctl: ${visibleLine(failure)}\n`);
}
