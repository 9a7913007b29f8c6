import type { LiveView } from "../../view/live-view.ts";
import { type Place, runAtTerminal } from "./own-command.ts";
import { TopSession } from "./top-session.ts";

export interface RunTopOptions {
  readonly view: LiveView;
  place(guest: string): Place;
  readonly hasColors: boolean;
  readonly signal: AbortSignal;
}

/** Shows the view until the user quits or the signal aborts. A shell gets the terminal in between. */
export async function runTop({ view, place, hasColors, signal }: RunTopOptions): Promise<void> {
  const session = new TopSession({ guests: () => view.guests(), place, hasColors, signal });
  const unsubscribe = view.onChange(() => session.changed());
  try {
    for (;;) {
      const row = await session.run();
      if (row?.container === undefined || signal.aborted) return;
      const { id } = row.container;
      const code = await runAtTerminal(["exec", "-it", ...place(row.guest.name), id, "sh"], signal);
      session.say(code === 0 ? "" : `the shell in ${id} ended with exit code ${code}`);
    }
  } finally {
    unsubscribe();
  }
}
