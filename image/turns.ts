import { setImmediate } from "node:timers/promises";

/** How long work goes on before others have their turn, ms. */
const TURN_MS = 10;

/** What long work awaits at each step: others have their turn when it has gone on for long enough. */
export function takeTurns(): () => Promise<void> | undefined {
  let end = performance.now() + TURN_MS;
  return () => {
    if (performance.now() < end) return undefined;
    return setImmediate().then(() => {
      end = performance.now() + TURN_MS;
    });
  };
}
