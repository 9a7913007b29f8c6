import { setTimeout as delay } from "node:timers/promises";
import type { RpcError } from "../client/rpc-error.ts";
import { CliError, oneLine } from "./cli-error.ts";
import type { StateStore } from "./state-store.ts";

/** Milliseconds in which the guestctl that keeps a guest notes how it ended. */
const NOTE_MS = 1000;
const LOOK_EVERY_MS = 50;
/** Exit code of a process that went with its guest or container. */
export const KILLED = 137;

/** How to see the console, which ends such an error. */
const HINT = /; [^;]+ shows its console$/;

/** Returns how a guest died, in a line without its console. */
export function deathOf(reason: unknown): string {
  return oneLine(reason).replace(HINT, "");
}

/** Returns the error of those whose guest died. */
export function guestDied(reason: unknown, name: string): CliError {
  return new CliError(`${deathOf(reason)}; guestctl logs --console --guest ${name} shows its console`, {
    cause: reason,
  });
}

/**
 * Returns why a call to a guest of ours failed where that is because the guest ended, else `error`. A connection breaks a
 * little before the end is noted; other errors come while the guest is powered off.
 */
export async function lostGuest(store: StateStore, name: string, error: RpcError): Promise<Error> {
  const limit = error.kind === "unavailable" ? NOTE_MS : 0;
  for (let waited = 0; waited <= limit; waited += LOOK_EVERY_MS) {
    const running = store.guests().find((guest) => guest.name === name);
    const died = store.endedGuests().find((guest) => guest.name === name)?.ended?.why;
    if (died !== undefined) return guestDied(died, name);
    if (running === undefined || running.ending) {
      return new CliError(`guest ${name}: it was powered off`, { cause: error, exitCode: KILLED });
    }
    if (limit > 0) await delay(LOOK_EVERY_MS);
  }
  return error;
}
