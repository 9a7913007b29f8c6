import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { useFolder } from "../../folder-uses.ts";
import { Console } from "../../vm/console.ts";
import { sharedDisks } from "../../vm/disks.ts";
import type { GuestNetwork } from "../../vm/guest-network.ts";
import type { GuestOptions } from "../../vm/guest-options.ts";
import { readManifest } from "../../vm/snapshot/manifest.ts";
import type { WritableDisk } from "../../vm/writable-disks.ts";
import { discardLayer } from "../image/disk/layer-store.ts";
import type { GuestRecord, OnTimeout } from "../record/state-records.ts";
import type { StateStore } from "../record/state-store.ts";
import { continueSaved, type Idling, saveWhenIdle, wakingAddress } from "../supervisor/idle/idling.ts";
import { keepGuest } from "../supervisor/keep-guest.ts";
import { writeContainers } from "../template/container-notes.ts";
import { copyLayers, type LayerCopy } from "../template/copy-layers.ts";
import { guestLog } from "./guest-log.ts";
import { agentLogFile, consoleFile } from "./guest-logs.ts";
import { controlOf, unusedGuest } from "./guest-target.ts";
import { AGENT_PORT, SandboxGuest } from "./sandbox-guest.ts";
import type { SharedFolder } from "./shared-folder.ts";

export interface KeptGuestOptions extends Pick<GuestOptions, "kernel" | "initrd" | "image" | "kernelArgs"> {
  readonly name: string;
  readonly memoryMib?: number;
  readonly cpus?: number;
  readonly network?: GuestNetwork;
  /** True for a guest whose containers have their roots on disks. */
  readonly hasDisks?: boolean;
  /** With `hasDisks`: writable disks that it has from its start; a clone has those of its snapshot. */
  readonly writable?: readonly WritableDisk[];
  /** Folder of a snapshot to continue from instead of a boot; memory, processors and files are then the snapshot's. */
  readonly snapshot?: string | undefined;
  readonly signal: AbortSignal;
  readonly onConsole?: (line: string) => void;
  /** True if the program that keeps it does other work too, so that it must not be ended with the guest. */
  readonly isEmbedded?: boolean;
  /** True if it is left to another process as soon as it runs. */
  readonly isDetached?: boolean;
  /** When it is powered off or paused, and which of both (`GuestRecord`). */
  readonly endsAt?: string | undefined;
  readonly onTimeout?: OnTimeout | undefined;
  /** Milliseconds without use after which it is saved (`GuestRecord.idleMs`). */
  readonly idleMs?: number | undefined;
  /** True if its agent has created and removed containers before the guest is ready. */
  readonly isWarm?: boolean;
}

/** Boots or restores a guest and records it for other guestctl commands. The caller ends the guest, then closes it in the store. */
export async function bootKeptGuest(
  store: StateStore,
  options: KeptGuestOptions,
  folder?: SharedFolder,
): Promise<{ guest: SandboxGuest; record: GuestRecord }> {
  const { snapshot } = options;
  const copies = snapshot === undefined ? [] : await copyLayers(store, options.name, snapshot);
  const guest = await (snapshot === undefined
    ? boot(store, options, folder)
    : restore(store, options, copies, folder).catch(async (error: unknown) => {
        for (const { layer } of copies) await discardLayer(layer);
        throw error;
      }));
  const record: GuestRecord = {
    name: options.name,
    address: options.idleMs === undefined ? guest.address : wakingAddress(store, options.name, AGENT_PORT),
    direct: options.idleMs === undefined ? undefined : guest.address,
    idleMs: options.idleMs,
    logAddress: guest.logAddress,
    ...(guest.folder === undefined ? {} : { folder: guest.folder.directory }),
    rootfs: options.hasDisks ? "block" : "share",
    control: guest.guest.control,
    accelerator: guest.guest.accelerator,
    memoryMib: guest.guest.memoryMib,
    cpus: guest.guest.cpus,
    timeline: guest.timeline,
    ...(options.network === undefined ? {} : { network: options.network.kind }),
    networkAddress: guest.networkAddress,
    ...(snapshot === undefined ? {} : { clone: options.name }),
    ...(options.isEmbedded ? { isEmbedded: true } : {}),
    ...(options.network?.kind === "tap" ? { forwards: options.network.forwards } : {}),
    endsAt: options.endsAt,
    onTimeout: options.onTimeout,
    bootedAt: new Date().toISOString(),
  };
  store.writeGuest(record);
  if (snapshot !== undefined) writeContainers(store, options.name, (await readManifest(snapshot)).notes, copies);
  if (!options.isDetached) await keep(store, options.name, guest);
  return { guest, record };
}

/** Lets a guest outlive this process; another one finds it by its record (`findKeptGuest`). */
export async function releaseGuest(store: StateStore, name: string, guest: SandboxGuest, isOwn = false): Promise<void> {
  store.noteReleased(name, { monitor: guest.guest.monitor, isOwn });
  await guest.release();
}

/**
 * Keeps a guest in this process whose owner was killed. The caller ends it, then closes it in the store; if this fails, the
 * guest keeps running. Throws OperationError if another process keeps it. With `idling`, one that is saved continues when it is
 * used, and one that is idle is saved.
 */
export async function findKeptGuest(store: StateStore, record: GuestRecord, idling?: Idling): Promise<SandboxGuest> {
  const { name } = record;
  store.reclaim(name);
  const guest = record.isSaved ? await continueSaved(store, record, idling) : await findRunning(store, record);
  const present = store.guest(name) ?? record;
  const uses = await useDisks(present);
  guest.ended.addEventListener("abort", () => uses[Symbol.dispose](), { once: true });
  await keep(store, name, guest);
  if (idling !== undefined) await saveWhenIdle(store, present, guest, idling);
  return guest;
}

async function findRunning(store: StateStore, record: GuestRecord): Promise<SandboxGuest> {
  const guest = await SandboxGuest.find(unusedGuest(record));
  store.noteMemory(record.name, guest.guest); // its keeper may have been killed while it changed
  store.notePaused(record.name, guest.guest.isPaused);
  if (record.saved !== undefined) store.noteSaved(record.name, { saved: undefined }); // its keeper was killed meanwhile
  return guest;
}

/** Notes that a running guest uses the disks with its containers' roots, until disposal. */
export async function useDisks(record: GuestRecord): Promise<Disposable> {
  const uses = new DisposableStack();
  await using qmp = await controlOf(record);
  for (const { file } of await sharedDisks(qmp)) uses.use(useFolder(dirname(file), record.name));
  return uses;
}

async function keep(store: StateStore, name: string, guest: SandboxGuest): Promise<void> {
  await keepGuest(store, name, guest);
  void keepAgentLog(guest.logAddress, agentLogFile(store, name), guest.ended);
}

async function boot(store: StateStore, options: KeptGuestOptions, folder?: SharedFolder): Promise<SandboxGuest> {
  try {
    const guest = await SandboxGuest.start({ ...options, consoleFile: consoleFile(store, options.name) }, folder);
    const { timeline } = guest;
    const details = { guest: options.name, timeline, at: new Date().toISOString() };
    store.boots.add({ accelerator: guest.guest.accelerator, ms: timeline.check, details });
    return guest;
  } catch (error) {
    if (!options.signal.aborted) store.boots.add({ failed: true });
    throw error;
  }
}

/** A guest whose containers have their roots on disks gets no shared folder but a given one. */
function restore(
  store: StateStore,
  options: KeptGuestOptions,
  copies: readonly LayerCopy[],
  folder?: SharedFolder,
): Promise<SandboxGuest> {
  const { name, snapshot = "", network, signal, onConsole, hasDisks = false, isWarm = false } = options;
  const given = { ...(network && { network }), ...(onConsole && { onConsole }) };
  const files = copies.map(({ layer }) => layer.disk.file);
  const own = { ...given, isWarm, hasNoFolder: hasDisks, copies: files };
  return SandboxGuest.restore(snapshot, { name, signal, consoleFile: consoleFile(store, name), ...own }, folder);
}

/** Milliseconds between connection attempts while the guest's next agent starts. */
const AGAIN_MS = 1000;

/**
 * Copies the agent's log to a file until the signal aborts, so that `logs` can show it after the guest died. Rotates to
 * `FILE.1` after 8 MiB. Never rejects.
 */
async function keepAgentLog(address: string, file: string, signal: AbortSignal): Promise<void> {
  const log = new Console({ file, lines: 1 });
  while (!signal.aborted) {
    try {
      for await (const line of guestLog(address, signal)) log.add(line);
    } catch {
      // The agent is restarting, or doesn't serve its log.
    }
    await delay(AGAIN_MS, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
