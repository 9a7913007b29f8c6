import { setTimeout as delay } from "node:timers/promises";
import type { ProcessRecord } from "../../state/state-records.ts";
import type { StateStore } from "../../state/state-store.ts";
import { LeftProcess } from "../attach/left-process.ts";
import { exitCodeOf } from "../exit-code.ts";
import { Interrupts } from "./interrupts.ts";
import { isRestarted, restartPause } from "./restart-policy.ts";
import { type RunRequest, type RunTurn, runOnce } from "./run-once.ts";

/**
 * Runs a detached container to its end, and again as long as its restart policy says so and no user has ended it.
 * With `found`, first serves that run to its end, unless it has ended. Returns the last exit code. Throws the error of the
 * last run, or of the first if that can't begin: the container is then stopped.
 */
export async function keepRunning(
  store: StateStore,
  request: RunRequest,
  { id, isAgain, found }: Pick<RunTurn, "id" | "isAgain" | "found">,
): Promise<number> {
  const { restart: policy = { when: "no" } as const, guest: place = id } = request.flags;
  const name = { container: id, exec: id };
  let pause = 0;
  let hasStarted = false;
  const started = () => {
    hasStarted = true;
  };
  let running = found?.ended === undefined ? found : undefined;
  for (let restarts = (found?.restarts ?? 0) + (found?.ended ? 1 : 0); ; restarts++, running = undefined) {
    using interrupts = new Interrupts();
    const begun = performance.now();
    const turn = { id, interrupts, restarts, isAgain: isAgain || restarts > 0, started, found: running };
    const run = runOnce(store, request, turn);
    const [end] = await Promise.allSettled([run]);
    const isLeft = end.status === "rejected" && end.reason instanceof LeftProcess;
    const code = end.status === "fulfilled" ? end.value : exitCodeOf(end.reason, "run");
    if (!isLeft && hasStarted && !interrupts.any && isWanted() && isRestarted(policy, code, restarts)) {
      pause = restartPause(pause, performance.now() - begun);
      store.processes.update(place, name, { restarting: true });
      const isInterruption = await isInterrupted(pause, interrupts);
      if (!isInterruption && isWanted()) continue;
    }
    const isStopped = interrupts.any || (!hasStarted && running === undefined);
    if (isStopped) store.processes.update(place, name, { stopped: true });
    // Also set if the last run failed before it began.
    store.processes.update(place, name, { restarting: undefined });
    if (end.status === "rejected") throw end.reason;
    return end.value;
  }

  /** False once a user has ended or removed the container, or the guest that it shares. */
  function isWanted(): boolean {
    if (request.flags.guest !== undefined && !store.guests().some((guest) => guest.name === place)) return false;
    const record: ProcessRecord | undefined = store.processes.list(place).find(({ exec }) => exec === id);
    return record !== undefined && record.stopped === undefined;
  }
}

/** Resolves after a pause with false, or with true as soon as a signal arrives. */
async function isInterrupted(pause: number, interrupts: Interrupts): Promise<boolean> {
  const stop = new AbortController();
  interrupts.handle(() => stop.abort());
  await delay(pause, undefined, { signal: stop.signal }).catch(() => undefined);
  return stop.signal.aborted;
}
