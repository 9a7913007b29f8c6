import { StateStore } from "../../engine/record/state-store.ts";
import type { LiveView } from "../../engine/tree/live-view.ts";
import type { TreeRow } from "../../engine/tree/tree-rows.ts";
import { findContainer } from "../guest/target.ts";
import { shellWords } from "./row-commands.ts";
import { runAtTerminal } from "./run-command.ts";
import { TopSession } from "./top-session.ts";

export interface RunTopOptions {
  readonly view: LiveView;
  /** Address of the only agent; undefined for the guests of the state store. */
  readonly address?: string | undefined;
  readonly hasColors: boolean;
  readonly signal: AbortSignal;
}

/** Shows the view until the user quits or the signal aborts. A shell gets the terminal in between. */
export async function runTop({ view, address, hasColors, signal }: RunTopOptions): Promise<void> {
  const place = ({ guest, container }: TreeRow) => {
    // Of a container that guestctl didn't start, it has no record by which commands find it.
    const hasRecord = container === undefined || container.image !== undefined;
    return address === undefined && hasRecord ? ["--guest", guest.name] : ["--address", guest.address];
  };
  const target = (row: TreeRow) => {
    const [flag, value = ""] = place(row);
    const flags = flag === "--guest" ? { guest: value } : { address: value };
    return findContainer(new StateStore(), flags, row.container?.id ?? "");
  };
  const session = new TopSession({ guests: () => view.guests(), place, target, hasColors, signal });
  const unsubscribe = view.onChange(() => session.changed());
  try {
    for (;;) {
      const row = await session.run();
      if (row?.container === undefined || signal.aborted) return;
      const { id } = row.container;
      const { code, error } = await runAtTerminal(shellWords(id, place(row)), signal);
      session.say(code === 0 ? "" : error || `the shell in ${id} ended with exit code ${code}`);
    }
  } finally {
    unsubscribe();
  }
}
