import { setTimeout as delay } from "node:timers/promises";
import { isPassing, RpcError } from "../../client/rpc-error.ts";
import { OperationError, oneLine } from "../../operation-error.ts";
import type { StateStore } from "../record/state-store.ts";

/** Time limit in milliseconds for the guestctl that keeps a guest to record its end. */
const NOTE_MS = 1000;
const POLL_MS = 50;
/** Exit code of a process that was killed with its guest or container. */
export const KILLED = 137;

/** Trailing hint on how to see the console. */
const HINT = /; [^;]+ shows its console$/;

/** Returns the cause of a guest's death as one line, without the console hint. */
export function causeOfDeath(reason: unknown): string {
  return oneLine(reason).replace(HINT, "");
}

/** Returns the error for commands whose guest died. */
export function guestDiedError(reason: unknown, name: string): OperationError {
  return new OperationError(`${causeOfDeath(reason)}; guestctl logs --console --guest ${name} shows its console`, {
    cause: reason,
    kind: "guest-died",
  });
}

/**
 * Returns the error of a failed call or dial to one of our guests: the guest's death if that is the cause, otherwise `error`.
 * The connection breaks shortly before the death is recorded; other errors can occur while the guest powers off.
 */
export async function explainLostCall(store: StateStore, name: string, error: Error): Promise<Error> {
  const limit = error instanceof RpcError && !isPassing(error) ? 0 : NOTE_MS;
  for (let waited = 0; waited <= limit; waited += POLL_MS) {
    const end = findGuestEnd(store, name, error);
    if (end !== undefined) return end;
    if (limit > 0) await delay(POLL_MS);
  }
  return error;
}

/** Returns the error for commands whose guest has died or was powered off; undefined while it runs. */
export function findGuestEnd(store: StateStore, name: string, cause?: Error): OperationError | undefined {
  const running = store.guest(name);
  const died = store.endedGuests().find((guest) => guest.name === name)?.ended?.why;
  if (died !== undefined) return guestDiedError(died, name);
  if (running?.isSaved && running.savedFailure !== undefined) {
    const why = `it is saved, as it was idle, and can't continue: ${running.savedFailure}`;
    return new OperationError(`guest ${name}: ${why}; guestctl stop ${name} gives it up`, { cause });
  }
  if (running !== undefined && !running.ending) return undefined;
  return new OperationError(`guest ${name}: the guest was powered off`, { cause, kind: "stopped", exitCode: KILLED });
}
