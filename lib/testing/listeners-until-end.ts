import { onTestFinished } from "vitest";

/** Removes at the test's end what listens to these events of the process since now, for the rest of its life. */
export function listenersUntilEnd(...events: readonly NodeJS.Signals[] | readonly "beforeExit"[]): void {
  for (const event of events) {
    const before = process.rawListeners(event);
    onTestFinished(() => {
      for (const listener of process.rawListeners(event)) {
        if (!before.includes(listener)) process.off(event, listener as () => void);
      }
    });
  }
}
