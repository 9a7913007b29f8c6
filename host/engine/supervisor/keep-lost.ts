import type { EventEmitter } from "node:events";
import { thisProcess } from "../../../lib/process-owner.ts";
import { Interrupts } from "../attach/interrupts.ts";
import { findRunInGuest } from "../container/found-run.ts";
import { removeIfThere } from "../container/start-container.ts";
import { causeOfDeath } from "../guest/guest-death.ts";
import { keepUntilEnd } from "../guest/keep-until-end.ts";
import { findKeptGuest } from "../guest/kept-guest.ts";
import { type SandboxGuest, Suspended } from "../guest/sandbox-guest.ts";
import type { GuestRecord, ProcessRecord } from "../record/state-records.ts";
import type { StateStore } from "../record/state-store.ts";
import type { Lost } from "./find-lost.ts";
import { holdAwake } from "./idle/hold-awake.ts";
import { openIdling } from "./idle/idling.ts";
import { restartAfterPause } from "./restart-after-pause.ts";
import { isToBeRestarted } from "./restarts.ts";
import { serveFound } from "./serve-found.ts";

/** Work that keeps a guest, or serves a container. */
export interface Keeping {
  /** Emits the signals that end it. */
  readonly signals: EventEmitter;
  /** Called once the guest is kept or the container served. */
  onUp(): void;
  /** The pause before the container's restart before, 0 if there was none. */
  readonly pause: { readonly before: number; note(ms: number): void };
}

/** Does what a guestctl would have done, to the end of a guest or of a container. Rejects if nothing could be taken over. */
export async function keepLost(store: StateStore, { guest, id }: Lost, keeping: Keeping): Promise<void> {
  const record = id === guest ? store.unkept().find(({ name }) => name === guest) : undefined;
  const found = store.processes.list(guest).find(({ container, exec }) => container === id && exec === id);
  using interrupts = new Interrupts(keeping.signals);
  if (found?.starting && record === undefined) return await removeBegun(store, guest, found, interrupts.signal);
  try {
    const isOver = found === undefined ? record?.isOwn === true : found.ended !== undefined;
    if (record !== undefined && (record.ending || isOver)) await endGuest(store, record);
    else if (record !== undefined && found === undefined) await keepGuest(store, record, interrupts, keeping);
  } catch (error) {
    // The guest may have been ending when its guestctl was killed.
    if (store.guest(guest) !== undefined) throw error;
  }
  if (found === undefined || (found.ended === undefined && record?.ending)) return;
  const begun = performance.now();
  if (found.ended === undefined) await serveFound(store, guest, found, interrupts, keeping.onUp);
  else keeping.onUp();
  const last = store.processes.list(guest).find(({ exec }) => exec === id);
  if (last === undefined || !isToBeRestarted(last)) return;
  await restartAfterPause(store, guest, last, interrupts, { ...keeping.pause, ranMs: performance.now() - begun });
}

/** Removes a container that a killed process may have created, but not recorded. */
async function removeBegun(store: StateStore, place: string, found: ProcessRecord, signal: AbortSignal): Promise<void> {
  // Its agent may never answer; other commands don't wait for what has a living keeper.
  store.processes.update(place, found, { keeper: thisProcess() });
  const guest = store.guest(place);
  if (guest !== undefined) {
    await using held = await holdAwake(store, guest);
    await using prepared = await findRunInGuest(store, held.guest, found, signal);
    await removeIfThere(prepared, found.container);
  }
  store.removeProcess(place, found);
}

/** Powers off a guest that was being powered off, or whose container has ended. */
async function endGuest(store: StateStore, record: GuestRecord): Promise<void> {
  const guest = await findKeptGuest(store, record);
  store.noteEnding(record.name);
  await guest.powerOff();
  if (record.isOwn) store.closeGuest(record.name);
  else store.removeGuest(record.name);
}

/** Keeps a guest without a container of its own, also while it is saved, until it ends, or a signal powers it off. */
async function keepGuest(
  store: StateStore,
  record: GuestRecord,
  interrupts: Interrupts,
  { onUp }: Pick<Keeping, "onUp">,
): Promise<void> {
  await using idling = await openIdling(store, record, { interrupted: () => interrupts.next(), onSaved: onUp });
  for (let present: GuestRecord | undefined = record; present !== undefined; ) {
    const guest: SandboxGuest = await findKeptGuest(store, present, idling);
    onUp();
    try {
      await keepUntilEnd(store, record.name, guest, interrupts);
      store.removeGuest(record.name);
      return;
    } catch (error) {
      if (!(error instanceof Suspended)) return store.closeGuest(record.name, causeOfDeath(error));
      present = store.guest(record.name);
    }
  }
}
