import { open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { GuestOptions } from "../guest-options.ts";
import { controlSocket, GuestProcesses, startShare } from "../guest-processes.ts";
import { waitUntilListening } from "../listening-socket.ts";
import { MachineError } from "../machine-error.ts";
import { plug, shareDevice, vsockDevice } from "../plugged-device.ts";
import { Qmp } from "../qmp.ts";
import { checkMachine, checkQemu } from "./check-machine.ts";
import { loadState } from "./machine-state.ts";
import { FILES, type Manifest } from "./manifest.ts";
import { fillMemory, memoryOf } from "./memory-file.ts";

/** What a restored guest can have of its own. The rest is the snapshot's. */
export type RestoreOptions = Pick<
  GuestOptions,
  "shares" | "onConsole" | "consoleInput" | "consoleFile" | "signal" | "timeoutMs"
>;

const POLL_MS = 3;
/** Time in which a QEMU that closed its control socket ends. */
const ENDING_MS = 100;

/**
 * Starts the processes of a guest that continues from a snapshot, with a vsock device and shares of its own. Resolves
 * once the guest runs and its vsock driver accepts connections.
 */
export async function restoreProcesses(
  directory: string,
  manifest: Manifest,
  options: RestoreOptions,
  signal: AbortSignal,
): Promise<GuestProcesses> {
  const { machine } = manifest;
  const [share, ...others] = options.shares ?? [];
  if (others.length > 0) throw new MachineError(`restore ${directory}: a restored guest can have one share`);
  await checkMachine(directory, manifest);
  const isMapped = manifest.vsock === "vhost";
  const memory = join(directory, FILES.memory);
  const processes = await GuestProcesses.startIncoming(machine, isMapped ? memory : "empty", options, signal);
  try {
    const sharing = share && startShare(processes.directory, share, 0, signal);
    sharing?.then((started) => processes.addShare(started)).catch(() => undefined); // reported below
    await waitUntilListening(processes.qemu, controlSocket(processes.directory), signal);
    await using qmp = await Qmp.connect(controlSocket(processes.directory));
    checkQemu(directory, manifest, qmp.version);
    if (!isMapped) await fill(memory, processes.qemu.pid ?? 0, manifest);
    await loadState(qmp, join(directory, FILES.state), join(processes.directory, "state.sock"));
    const { backend } = processes.vsock;
    if (backend.kind === "vhost-user") {
      await processes.vsock.listening;
      await plug(qmp, vsockDevice(backend, machine));
    }
    const shared = await sharing;
    if (shared !== undefined) await plug(qmp, shareDevice(shared.place, 0, machine));
    processes.firstLine ??= performance.now();
    await qmp.execute("cont");
    await driverReady(qmp, signal);
    return processes;
  } catch (error) {
    const cause = await causeOf(error, processes);
    await processes.end(true);
    throw cause;
  }
}

/** Returns the reason of QEMU's end if it has ended, otherwise the error. */
async function causeOf(error: unknown, { qemu }: GuestProcesses): Promise<unknown> {
  const ended = await Promise.race([qemu.ended, delay(ENDING_MS, undefined, { ref: false })]);
  return ended === undefined ? error : qemu.failure();
}

async function fill(file: string, pid: number, { extents }: Manifest): Promise<void> {
  await using from = await open(file, "r");
  await using to = await open(memoryOf(pid), "r+");
  await fillMemory(from, to, extents);
}

/** Waits until the guest's vsock driver runs: a connection before that can make the device deaf. */
export async function driverReady(qmp: Qmp, signal: AbortSignal): Promise<void> {
  for (;;) {
    const status = await qmp.execute("x-query-virtio-status", { path: "/machine/peripheral/vsock/virtio-backend" });
    if (JSON.stringify(status).includes("DRIVER_OK")) return;
    signal.throwIfAborted();
    await delay(POLL_MS);
  }
}
