import type { StateStore } from "../../engine/record/state-store.ts";
import { supervise } from "../../engine/supervisor/supervise.ts";
import { visibleLine } from "../../visible.ts";

/** Leaves what no process keeps to the supervisor (`supervise`), and prints a line for each failure. */
export async function superviseOrReport(store?: StateStore): Promise<void> {
  for (const failure of await supervise(store)) process.stderr.write(`guestctl: ${visibleLine(failure)}\n`);
}
