import { open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Child } from "../child.ts";
import type { GuestOptions, Machine } from "../guest-options.ts";
import { controlSocket, GuestProcesses, startShare } from "../guest-processes.ts";
import { waitUntilListening } from "../listening-socket.ts";
import { MachineError } from "../machine-error.ts";
import { plug, shareDevice, vsockDevice } from "../plugged-device.ts";
import { Qmp } from "../qmp.ts";
import { plugCard, randomCard, unplugCard } from "../user-network.ts";
import { checkMachine, checkQemu } from "./check-machine.ts";
import { loadState } from "./machine-state.ts";
import { FILES, type Manifest } from "./manifest.ts";
import { fillMemory, findMemory } from "./memory-file.ts";

/** Options of a restored guest; everything else is the snapshot's. */
export interface RestoreOptions
  extends Pick<
    GuestOptions,
    "shares" | "network" | "onConsole" | "consoleInput" | "consoleFile" | "signal" | "timeoutMs"
  > {
  /** Copies of the snapshot's writable disks, in their order, for this guest alone. */
  readonly copies?: readonly string[];
  /** True for the guest of the snapshot itself, which keeps its network card, at first without its ports; `network` isn't used. */
  readonly keepsCard?: boolean;
}

const POLL_MS = 2;
/** Time in which a QEMU that closed its control socket ends. */
const ENDING_MS = 100;

export interface Restored {
  readonly processes: GuestProcesses;
  /** The clone's machine, for snapshots of it. */
  readonly machine: Machine;
}

/**
 * Starts the processes of a guest that continues from a snapshot, with a vsock device, a share and a network card of its
 * own. The guest runs once `onLoaded` has resolved; this resolves once it accepts connections. Returns undefined if the context
 * id was in use and `retry` allows another attempt.
 */
export async function restoreProcesses(
  directory: string,
  manifest: Manifest,
  options: RestoreOptions,
  signal: AbortSignal,
  retry: boolean,
  onLoaded: (restored: Restored) => Promise<void>,
): Promise<Restored | undefined> {
  const machine = withWritable(directory, manifest.machine, options.copies ?? []);
  const { card: oldCard, ...rest } = machine;
  const { keepsCard = false } = options;
  const card = keepsCard ? oldCard : options.network && randomCard(options.network, oldCard);
  const waiting = oldCard === undefined ? machine : { ...machine, card: { ...oldCard, forwards: [] } };
  const [share, ...others] = options.shares ?? [];
  if (others.length > 0) throw new MachineError(`restore ${directory}: a restored guest can have one share`);
  await checkMachine(directory, manifest);
  const isMapped = manifest.vsock === "vhost" && !machine.returnsMemory;
  const memory = join(directory, FILES.memory);
  const processes = await GuestProcesses.startIncoming(waiting, isMapped ? memory : "empty", options, signal);
  const sharing = share && startShare(processes, share, 0, signal);
  sharing?.then((started) => processes.addShare(started)).catch(() => undefined); // reported below
  const filling = isMapped ? undefined : fill(memory, processes.qemu, manifest, signal);
  filling?.catch(() => undefined); // reported below
  try {
    await waitUntilListening(processes.qemu, controlSocket(processes.directory), signal);
    await using qmp = await Qmp.connect(controlSocket(processes.directory));
    checkQemu(directory, manifest, qmp.version);
    await filling;
    await loadState(qmp, join(directory, FILES.state), join(processes.directory, "state.sock"));
    const { backend } = processes.vsock;
    if (backend.kind !== "vhost") {
      await processes.vsock.listening;
      await plug(qmp, vsockDevice(backend, machine));
    }
    const shared = await sharing;
    if (shared !== undefined) await plug(qmp, shareDevice(shared.place, 0, machine));
    if (oldCard === undefined && card !== undefined) await plugCard(qmp, card, machine);
    processes.firstLine ??= performance.now();
    const restored = { processes, machine: card === undefined ? rest : { ...rest, card } };
    await onLoaded(restored);
    await qmp.execute("cont");
    if (oldCard !== undefined && !keepsCard) {
      await unplugCard(qmp);
      if (card !== undefined) await plugCard(qmp, card, machine);
    }
    await processes.vsock.ready(qmp, signal);
    return restored;
  } catch (error) {
    const cause = await causeOf(error, processes);
    processes.qemu.kill("SIGKILL");
    await Promise.allSettled([sharing, filling]);
    await processes.end(true);
    if (retry && processes.cidTaken) return undefined;
    throw cause;
  }
}

/** Returns the machine with other files as its writable disks. Throws MachineError if they are not as many. */
function withWritable(directory: string, machine: Machine, files: readonly string[]): Machine {
  const { writable = [] } = machine;
  if (files.length !== writable.length)
    throw new MachineError(`restore ${directory}: a guest needs copies of its ${writable.length} writable disks`);
  return { ...machine, writable: writable.map((disk, index) => ({ ...disk, file: files[index] ?? "" })) };
}

/** Returns the reason of QEMU's end if it has ended, otherwise the error. */
async function causeOf(error: unknown, { qemu }: GuestProcesses): Promise<unknown> {
  const ended = await Promise.race([qemu.ended, delay(ENDING_MS, undefined, { ref: false })]);
  return ended === undefined ? error : qemu.failure();
}

/** Copies the snapshot's memory while QEMU still starts. */
async function fill(file: string, qemu: Child, { extents }: Manifest, signal: AbortSignal): Promise<void> {
  await using from = await open(file, "r");
  await using to = await open(await waitForMemory(qemu, signal), "r+");
  await fillMemory(from, to, extents);
}

async function waitForMemory(qemu: Child, signal: AbortSignal): Promise<string> {
  for (;;) {
    const found = qemu.pid === undefined ? undefined : findMemory(qemu.pid);
    if (found !== undefined) return found;
    if (!qemu.isRunning) throw await qemu.failure();
    signal.throwIfAborted();
    await delay(POLL_MS);
  }
}
