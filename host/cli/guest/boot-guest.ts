import { Interrupted, type Interrupts } from "../../engine/attach/interrupts.ts";
import type { RootfsKind } from "../../engine/container/rootfs-kind.ts";
import { causeOfDeath, guestDiedError } from "../../engine/guest/guest-death.ts";
import { bootKeptGuest, releaseGuest } from "../../engine/guest/kept-guest.ts";
import type { SandboxGuest } from "../../engine/guest/sandbox-guest.ts";
import type { GuestRecord, OnTimeout } from "../../engine/record/state-records.ts";
import type { StateStore } from "../../engine/record/state-store.ts";
import { timeIn } from "../../engine/supervisor/time-limit.ts";
import { useTemplate } from "../../engine/template/use-template.ts";
import { type GuestFlags, guestConsole, guestImage, guestSize, guestWords } from "../flags/guest-flags.ts";
import { guestNetwork } from "../flags/network-flags.ts";
import { superviseOrReport } from "../output/supervise-or-report.ts";

export interface BootFlags extends GuestFlags {
  readonly detach?: true;
  readonly rootfs?: RootfsKind;
  readonly verbose?: true;
  /** Seconds after which it is powered off or paused. */
  readonly timeout?: number;
  readonly onTimeout?: OnTimeout;
}

/** Boots a guest and leaves it to this user's supervisor. */
export async function bootDetached(
  store: StateStore,
  name: string,
  flags: BootFlags,
  interrupts: Interrupts,
): Promise<GuestRecord> {
  const booted = await bootGuest(store, name, { ...flags, detach: true }, interrupts, async (guest, record) => {
    await guest.leave();
    store.leave(name, name);
    return record;
  });
  await superviseOrReport(store);
  return booted;
}

/** Boots a guest that outlives this process, and calls `use`. If either fails, records the guest's end. */
export async function bootGuest<T>(
  store: StateStore,
  name: string,
  flags: BootFlags,
  interrupts: Interrupts,
  use: (guest: SandboxGuest, record: GuestRecord) => Promise<T>,
): Promise<T> {
  store.claim(name);
  try {
    const { guest, record } = await interrupts.during(boot(store, name, flags, interrupts.signal));
    await releaseGuest(store, name, guest);
    return await use(guest, record);
  } catch (error) {
    if (error instanceof Interrupted) store.removeGuest(name);
    else store.closeGuest(name, causeOfDeath(error));
    throw store.endedGuests().some((guest) => guest.name === name) ? guestDiedError(error, name) : error;
  }
}

async function boot(store: StateStore, name: string, flags: BootFlags, signal: AbortSignal) {
  const machine = { ...guestSize(flags), ...guestImage(flags), ...guestWords(flags), ...guestNetwork(flags) };
  const hasDisks = flags.rootfs !== "share" || flags.template !== undefined;
  // Until it is up, the template can't be removed.
  using used = await useTemplate(flags.template, name);
  const isDetached = flags.detach === true;
  const endsAt = flags.timeout === undefined ? undefined : timeIn(flags.timeout * 1000);
  const idleMs = flags.idle === undefined ? undefined : flags.idle * 1000;
  const limits = { endsAt, onTimeout: flags.onTimeout, idleMs };
  const options = { name, ...machine, hasDisks, snapshot: used?.template.path, signal, isDetached };
  return await bootKeptGuest(store, { ...options, ...limits, ...guestConsole(flags) });
}
