import type { StateStore } from "../record/state-store.ts";
import { causeOfDeath } from "./guest-death.ts";
import { bootKeptGuest, type KeptGuestOptions } from "./kept-guest.ts";
import type { SandboxGuest } from "./sandbox-guest.ts";
import type { SharedFolder } from "./shared-folder.ts";

/** Options of a container's own guest. */
export interface OwnGuestOptions extends KeptGuestOptions {
  /** True if the container has ended before and its record is kept. */
  readonly isAgain?: boolean;
}

/** The claimed name of a container's own guest. */
export interface GuestClaim {
  readonly store: StateStore;
  /** Releases the name last. */
  readonly undo: AsyncDisposableStack;
  /** Set once the guest has died. */
  why?: string | undefined;
}

/** Claims the name of a container's own guest until `undo` is disposed. */
export function claimGuest(
  undo: AsyncDisposableStack,
  store: StateStore,
  { name, isAgain = false }: Pick<OwnGuestOptions, "name" | "isAgain">,
): GuestClaim {
  if (isAgain) store.reclaim(name);
  else store.claim(name);
  const claim: GuestClaim = { store, undo };
  undo.defer(() => store.closeGuest(name, claim.why));
  return claim;
}

/** Boots a container's own guest while `prepare` gets files ready. If one fails, cancels the other. */
export async function bootWhile<T>(
  claim: GuestClaim,
  options: OwnGuestOptions,
  prepare: (signal: AbortSignal) => Promise<T>,
  folder?: SharedFolder,
): Promise<{ readonly guest: SandboxGuest; readonly files: T }> {
  const { store, undo } = claim;
  const { isAgain: _isAgain, ...rest } = options;
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const preparing = prepare(signal);
  const booting = bootKeptGuest(store, { ...rest, signal }, folder);
  for (const part of [preparing, booting]) part.catch((error: unknown) => failed.abort(error));
  const [prepared, booted] = await Promise.allSettled([preparing, booting]);
  if (booted.status === "fulfilled") undo.defer(() => booted.value.guest[Symbol.asyncDispose]());
  if (failed.signal.aborted) throw failed.signal.reason;
  if (prepared.status === "rejected") throw prepared.reason;
  if (booted.status === "rejected") throw booted.reason;
  const { guest } = booted.value;
  watchDeath(claim, guest);
  return { guest, files: prepared.value };
}

/** Notes in a claim why the guest has died. */
export function watchDeath(claim: GuestClaim, { guest }: SandboxGuest): void {
  guest.signal.addEventListener("abort", () => {
    claim.why = causeOfDeath(guest.signal.reason);
  });
}

/**
 * Returns the two ways to end a container's own guest, `end` and disposal. Both tell other commands first that their calls may
 * fail. After `handOver`, which leaves the guest to another process, disposal does nothing.
 */
export function endOfGuest(
  store: StateStore,
  name: string,
  guest: SandboxGuest,
  kept: AsyncDisposableStack,
): { end(): Promise<void>; handOver(): Promise<void> } & AsyncDisposable {
  let isLeft = false;
  const note = () => {
    if (!guest.guest.signal.aborted) store.noteEnding(name);
  };
  return {
    end: () => {
      note();
      return guest.powerOff();
    },
    async handOver() {
      isLeft = true;
      await guest.leave();
    },
    async [Symbol.asyncDispose]() {
      if (isLeft) return;
      note();
      await kept.disposeAsync();
    },
  };
}
