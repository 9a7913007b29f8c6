import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { ownCommand } from "../../own-command.ts";
import type { Interrupts } from "../attach/interrupts.ts";
import type { ProcessRecord } from "../record/state-records.ts";
import type { StateStore } from "../record/state-store.ts";
import { restartPause } from "./restart-policy.ts";
import { isToBeRestarted } from "./restarts.ts";

/**
 * Runs a container again after a pause, by a command of its own, which leaves it to the supervisor. A signal during
 * the pause ends the restarts. So does a failure, whose line goes to the container's output.
 */
export async function restartAfterPause(
  store: StateStore,
  guest: string,
  { container, output = "/dev/null" }: ProcessRecord,
  interrupts: Interrupts,
  pause: { readonly before: number; readonly ranMs: number; note(ms: number): void },
): Promise<void> {
  const name = { container, exec: container };
  const ms = restartPause(pause.before, pause.ranMs);
  pause.note(ms);
  store.processes.update(guest, name, { restarting: true });
  if (await isInterrupted(ms, interrupts)) {
    store.processes.update(guest, name, { restarting: undefined, stopped: true });
    return;
  }
  const record = store.processes.list(guest).find(({ exec }) => exec === container);
  const isGuestThere = guest === container || store.guest(guest) !== undefined;
  if (record === undefined || !isGuestThere || !isToBeRestarted(record)) {
    store.processes.update(guest, name, { restarting: undefined });
    return;
  }
  store.leave(guest, container);
  const file = openSync(output, "a", 0o600);
  const program = spawn(process.execPath, ownCommand(["__restart", guest, container]), {
    stdio: ["ignore", file, file],
  });
  closeSync(file);
  const [code] = await once(program, "exit");
  if (typeof code === "number" && code !== 0) {
    store.processes.update(guest, name, { restarting: undefined, stopped: true });
  }
}

/** Resolves after a pause with false, or with true as soon as a signal arrives. */
async function isInterrupted(ms: number, interrupts: Interrupts): Promise<boolean> {
  const stop = new AbortController();
  interrupts.handle(() => stop.abort());
  await delay(ms, undefined, { signal: stop.signal }).catch(() => undefined);
  return stop.signal.aborted;
}
