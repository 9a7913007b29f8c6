import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import type { ProcessOwner } from "../../lib/process-owner.ts";
import { type GuestOptions, type Machine, resolveMachine } from "./guest-options.ts";
import { controlSocket, GuestProcesses } from "./guest-processes.ts";
import { MachineError } from "./machine-error.ts";
import type { PortForward } from "./port-forward.ts";
import { Qmp } from "./qmp.ts";
import { resizeMemory } from "./resize-memory.ts";
import { DetachedDevices } from "./snapshot/detached-devices.ts";
import { type Manifest, readManifest } from "./snapshot/manifest.ts";
import { type Restored, type RestoreOptions, restoreProcesses } from "./snapshot/restore-guest.ts";
import { type SaveOptions, saveProcesses } from "./snapshot/save-guest.ts";
import type { SnapshotFacts } from "./snapshot/save-snapshot.ts";

/** Times of the start's steps, in milliseconds since `Guest.start` was called. */
export interface Timeline {
  /** QEMU's start, after its device programs. */
  readonly qemu: number;
  /** First line on the console; of a restored guest, when its state was loaded. */
  readonly firstLine: number;
  /** Ready line on the console; of a restored guest, when it accepts connections. */
  readonly ready: number;
}

/** File in the guest's directory while `pause` has stopped it. */
const PAUSED = "paused";
/** File in the guest's directory while its agent is quiesced. */
const SAVING = "saving";

const CID_ATTEMPTS = 5;
const RESTORE_MS = 60_000;
/** Milliseconds to wait for QEMU's end after the power-off call failed, since it may have worked anyway. */
const AFTER_FAILED_ASK_MS = 5000;

/**
 * A virtual machine with its vsock device and virtiofsd processes. It ends by itself after `powerOff`, forcibly with
 * `close` or `destroy`, and with this process unless it is released.
 */
export class Guest implements AsyncDisposable {
  readonly timeline: Timeline;
  readonly accelerator: Machine["accelerator"];
  /** Aborted when QEMU or a device program ends unexpectedly; the reason includes the last console lines. */
  readonly signal: AbortSignal;
  readonly #processes: GuestProcesses;
  #machine: Machine;
  #paused: DetachedDevices | undefined;

  /**
   * Starts a guest and waits for its ready line. Rejects if QEMU or a device program ends first, the time limit passes
   * or the signal aborts; then everything started is cleaned up.
   */
  static async start(options: GuestOptions = {}): Promise<Guest> {
    const machine = await resolveMachine(options);
    const begun = performance.now();
    for (let attempt = 1; ; attempt++) {
      const processes = await startUntilReady(machine, options, begun, attempt < CID_ATTEMPTS);
      if (processes !== undefined) return new Guest(processes, machine, begun, options.signal);
    }
  }

  /**
   * Continues a guest from a snapshot, as a clone: with a vsock address and shares of its own. Resolves once it accepts
   * connections; the caller then tells its agent. Refuses a snapshot whose machine, QEMU or files differ.
   * @param onLoaded called with the guest, which runs once this has resolved
   */
  static async restore(
    directory: string,
    options: RestoreOptions = {},
    onLoaded: (guest: Guest) => Promise<void> = async () => undefined,
  ): Promise<Guest> {
    const begun = performance.now();
    const manifest = await readManifest(directory);
    const limit = options.timeoutMs ?? RESTORE_MS;
    const late = AbortSignal.timeout(limit);
    const signal = AbortSignal.any([late, ...(options.signal === undefined ? [] : [options.signal])]);
    try {
      for (let attempt = 1; ; attempt++) {
        const onStopped = ({ processes, machine }: Restored) => onLoaded(new Guest(processes, machine));
        const retry = attempt < CID_ATTEMPTS;
        const restored = await restoreProcesses(directory, manifest, options, signal, retry, onStopped);
        if (restored !== undefined) return new Guest(restored.processes, restored.machine, begun, options.signal);
      }
    } catch (error) {
      if (error !== late.reason) throw error;
      throw new MachineError(`restore ${directory}: the guest does not accept connections within ${limit} ms`);
    }
  }

  /**
   * Finds a guest that another process has started and released, by its directory. One that `pause` has stopped stays so.
   * If this fails, the guest is unchanged.
   */
  static async find(directory: string): Promise<Guest> {
    const { processes, machine } = GuestProcesses.find(directory);
    const guest = new Guest(processes, machine);
    await using qmp = await guest.qmp();
    const devices = await DetachedDevices.find(processes, machine, qmp);
    // The process may have been killed while it paused or saved the guest.
    if (!existsSync(join(directory, PAUSED))) await devices.attach(qmp);
    else {
      await qmp.execute("stop");
      guest.#paused = devices;
    }
    return guest;
  }

  private constructor(processes: GuestProcesses, machine: Machine, begun = performance.now(), signal?: AbortSignal) {
    this.#processes = processes;
    this.#machine = machine;
    this.accelerator = machine.accelerator;
    this.signal = processes.died;
    this.timeline = {
      qemu: Math.round(processes.started - begun),
      firstLine: Math.round((processes.firstLine ?? begun) - begun),
      ready: Math.round(performance.now() - begun),
    };
    const destroy = () => void this.destroy();
    signal?.addEventListener("abort", destroy, { once: true });
    void processes.qemu.ended.then(() => signal?.removeEventListener("abort", destroy));
  }

  /** Returns the address of a vsock port of the guest: `vsock://<cid>:<port>` or `hvsock://<socket>:<port>`. */
  address(port: number): string {
    return this.#processes.vsock.address(port);
  }

  get memoryMib(): number {
    return this.#machine.usableMib ?? this.#machine.memoryMib;
  }

  get cpus(): number {
    return this.#machine.cpus;
  }

  /** Changes its memory, up to what it was booted with. Throws MachineError if that is refused, or its programs use more. */
  async resize(memoryMib: number): Promise<void> {
    if (this.isPaused) throw new MachineError("it is paused; guestctl unpause --guest continues it");
    await using qmp = await this.qmp();
    await resizeMemory(qmp, this.#machine, memoryMib, this.#processes.cgroup, (usableMib) => {
      this.#machine = { ...this.#machine, usableMib };
      this.#processes.note(this.#machine);
    });
  }

  /** MAC address of its network card, if it has one. */
  get mac(): string | undefined {
    return this.#machine.card?.mac;
  }

  /** Ports of the host that lead into its user network. */
  get forwards(): readonly PortForward[] {
    return this.#machine.card?.forwards ?? [];
  }

  /** Path of QEMU's control socket, for other processes of this user. */
  get control(): string {
    return controlSocket(this.#processes.directory);
  }

  /** Lets the guest outlive this process. Resolves once another one finds it by its directory. */
  async release(): Promise<void> {
    await this.#processes.release(this.#machine);
  }

  /** The monitor of QEMU, with which the guest ends. */
  get monitor(): ProcessOwner {
    return this.#processes.qemu.record.monitor;
  }

  /** Connects to QEMU's control socket. QEMU serves one connection at a time; the caller closes it. */
  qmp(): Promise<Qmp> {
    return Qmp.connect(this.control);
  }

  /**
   * Writes a snapshot to a new folder. The guest's connections end. Afterwards it continues at the same address, also if
   * this fails; with `end` it is destroyed if this succeeds. A share must not be in use. Throws MachineError.
   */
  async save(directory: string, facts: SnapshotFacts, options: SaveOptions = {}): Promise<Manifest> {
    await using qmp = await this.qmp();
    const manifest = await saveProcesses(directory, this.#processes, this.#machine, qmp, facts, options);
    if (options.end) await this.destroy();
    return manifest;
  }

  /** True from before its agent is quiesced until it is resumed, also after the death of the process that saves or continues it. */
  get isSaving(): boolean {
    return existsSync(join(this.#processes.directory, SAVING));
  }

  set isSaving(value: boolean) {
    const path = join(this.#processes.directory, SAVING);
    if (value) writeFileSync(path, "");
    else rmSync(path, { force: true });
  }

  /**
   * Stops the processors and the monotonic clock. Connections end, and the address is unreachable until `resume`, since
   * the program behind the vsock device doesn't bear connections to a stopped guest; the kernel's and the channel keep
   * them.
   */
  async pause(): Promise<void> {
    if (this.#paused !== undefined) return;
    await using qmp = await this.qmp();
    const devices = new DetachedDevices(this.#processes, this.#machine);
    writeFileSync(join(this.#processes.directory, PAUSED), "");
    if (this.#processes.vsock.backend.kind === "vhost-user" && this.#machine.type === "q35") {
      await devices.detachVsock(qmp);
    }
    await qmp.execute("stop");
    this.#paused = devices;
  }

  get isPaused(): boolean {
    return this.#paused !== undefined;
  }

  /** Lets a paused guest continue. Its time is late by the length of the pause until its agent is told. */
  async resume(): Promise<void> {
    const devices = this.#paused;
    this.#paused = undefined;
    await using qmp = await this.qmp();
    await devices?.attach(qmp);
    rmSync(join(this.#processes.directory, PAUSED), { force: true });
  }

  /** The console's last lines. */
  get console(): string {
    return this.#processes.console.text;
  }

  /** Types into the console of a guest with `consoleInput`. */
  type(text: string): void {
    this.#processes.qemu.stdin?.write(text);
  }

  /** Pids of this guest's running processes: QEMU first, then its device programs. */
  get pids(): readonly number[] {
    return this.#processes.pids;
  }

  /**
   * Powers the guest off with `ask`, a call to its agent, and waits until QEMU exits by itself. The call may fail if
   * the guest is gone before answering.
   */
  async powerOff(ask: () => Promise<unknown>, timeoutMs = 30_000): Promise<void> {
    const { qemu } = this.#processes;
    this.#processes.expectEnd();
    let limit = timeoutMs;
    let cause: unknown;
    const asked = ask().catch((error: unknown) => {
      cause = error;
      limit = Math.min(limit, AFTER_FAILED_ASK_MS);
    });
    await Promise.race([asked, qemu.ended]);
    const timer = new AbortController();
    const late = delay(limit, true, { signal: timer.signal }).catch(() => false);
    const ended = await Promise.race([qemu.ended, late.then(() => undefined)]);
    timer.abort();
    const tail = this.#processes.tail();
    await this.close();
    if (ended?.status === 0) return;
    const how =
      ended === undefined ? `still running ${limit} ms after the power-off call` : (await qemu.failure()).message;
    throw new MachineError(`guest: ${how}${tail}`, { cause });
  }

  /** Ends QEMU and the device programs with SIGTERM, and removes the sockets. Idempotent. */
  async close(): Promise<void> {
    await this.#processes.end(false);
  }

  /** Like `close`, with SIGKILL. */
  async destroy(): Promise<void> {
    await this.#processes.end(true);
  }

  /** Destroys the guest as if it had died for this reason, with which `signal` is aborted. */
  async end(why: string): Promise<void> {
    await this.#processes.endFor(why);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Returns undefined if the context id was in use and `retry` allows another attempt. */
async function startUntilReady(
  machine: Machine,
  options: GuestOptions,
  begun: number,
  retry: boolean,
): Promise<GuestProcesses | undefined> {
  const limit = options.timeoutMs ?? (machine.accelerator === "kvm" ? 60_000 : 120_000);
  const late = AbortSignal.timeout(Math.max(1, Math.round(begun + limit - performance.now())));
  const signal = AbortSignal.any([late, ...(options.signal === undefined ? [] : [options.signal])]);
  const processes = await GuestProcesses.start(machine, options, signal);
  try {
    const ready = options.readyLine ?? /guestd: listening/;
    await processes.console.waitFor(ready, AbortSignal.any([signal, processes.died]));
    return processes;
  } catch (error) {
    const tail = processes.tail();
    await processes.end(true);
    if (retry && processes.cidTaken) return undefined;
    if (error === late.reason) throw new MachineError(`guest: no ready line within ${limit} ms${tail}`);
    throw error;
  }
}
