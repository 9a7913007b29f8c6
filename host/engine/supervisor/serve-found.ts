import { PassThrough } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { thisProcess } from "../../../lib/process-owner.ts";
import { oneLine } from "../../operation-error.ts";
import type { Interrupts } from "../attach/interrupts.ts";
import { LeftProcess } from "../attach/left-process.ts";
import { findRunInGuest, findRunInOwnGuest } from "../container/found-run.ts";
import { OutputFile } from "../container/output-file.ts";
import type { PreparedRun } from "../container/prepare-run.ts";
import { rootfsOf } from "../container/rootfs-kind.ts";
import { type ServeFlags, serveRun, startFound } from "../container/run-container.ts";
import { useDisks } from "../guest/kept-guest.ts";
import { useStored } from "../image/store/choose-image.ts";
import type { GuestRecord, ProcessRecord } from "../record/state-records.ts";
import type { StateStore } from "../record/state-store.ts";
import { holdAwake } from "./idle/hold-awake.ts";
import { type Idling, openIdling } from "./idle/idling.ts";

/** Milliseconds between attempts to reach a container whose agent doesn't answer. */
const AGAIN_MS = 1000;

/**
 * Serves a container that another guestctl has started to its end, in its own guest or in one that another process keeps, and
 * records how it ends. Rejects if its own guest can't be taken over; in another's, it waits until the guest can be reached.
 */
export async function serveFound(
  store: StateStore,
  place: string,
  found: ProcessRecord,
  interrupts: Interrupts,
  onUp: () => void,
): Promise<void> {
  const { container } = found;
  store.processes.update(place, { container, exec: container }, { keeper: thisProcess() });
  let isUp = false;
  const up = () => {
    isUp = true;
    onUp();
  };
  const own = place === container ? store.guest(place) : undefined;
  await using idling = own && (await openIdling(store, own, { interrupted: () => interrupts.next(), onSaved: up }));
  // Signals are the container's, also while it can't be reached.
  if (own === undefined) interrupts.handle(() => undefined);
  for (; ; await delay(AGAIN_MS)) {
    const kept = store.guest(place);
    const record = store.processes.list(place).find(({ exec }) => exec === container);
    if (kept === undefined || record === undefined || record.ended !== undefined) return;
    try {
      // A signal to a container continues its guest.
      await using held = own === undefined && interrupts.any ? await holdAwake(store, kept) : undefined;
      const guest = held?.guest ?? kept;
      await using prepared = await find(store, guest, found, interrupts.signal, idling);
      // Those of its own guest are in use until that ends.
      const hasDisks = guest.name !== container && rootfsOf(guest) === "block";
      using _disks = hasDisks ? await useDisks(guest) : undefined;
      using _image = await useStored(found.image, container);
      await startFound(prepared, found);
      up();
      await serve(store, prepared, found, interrupts);
      return;
    } catch (error) {
      if (error instanceof Ended) return;
      if (!isUp && place === container) throw error;
      onUp();
    }
  }
}

function find(
  store: StateStore,
  guest: GuestRecord,
  found: ProcessRecord,
  signal: AbortSignal,
  idling: Idling | undefined,
): Promise<PreparedRun> {
  const isOwn = guest.name === found.container;
  return isOwn ? findRunInOwnGuest(store, guest, found, idling) : findRunInGuest(store, guest, found, signal);
}

/** The run has ended, and its record says how. */
class Ended extends Error {}

async function serve(
  store: StateStore,
  prepared: PreparedRun,
  found: ProcessRecord,
  interrupts: Interrupts,
): Promise<void> {
  // What a container prints whose terminal is gone is for `guestctl attach`.
  using file = found.output === undefined ? undefined : new OutputFile(found.output);
  const nowhere = new PassThrough().resume();
  const stdio = file?.stdio ?? { stdout: nowhere, stderr: nowhere };
  const { flags } = (found.request as { readonly flags: ServeFlags } | undefined) ?? { flags: {} };
  const run = {
    ...{ id: found.container, image: found.image, options: {}, flags, interrupts, found, file, isAgain: true },
    ...{ output: found.output, kept: found.kept && {}, started: () => undefined, stdio },
  };
  try {
    await serveRun(store, prepared, run);
  } catch (error) {
    if (error instanceof LeftProcess) throw error;
    stdio.stderr.write(`guestctl: ${oneLine(error)}\n`);
    throw new Ended();
  }
}
