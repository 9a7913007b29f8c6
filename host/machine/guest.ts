import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { type GuestOptions, type Machine, resolveMachine } from "./guest-options.ts";
import { controlSocket, GuestProcesses } from "./guest-processes.ts";
import { MachineError } from "./machine-error.ts";
import { Qmp } from "./qmp.ts";

/** Milliseconds since `Guest.start` was called. */
export interface Timeline {
  /** QEMU was started; the devices before it were up. */
  readonly qemu: number;
  /** The first line on the console. */
  readonly firstLine: number;
  /** The ready line. */
  readonly ready: number;
}

const CID_ATTEMPTS = 5;
/** Milliseconds that QEMU gets to end when the call that asked for the power-off failed: it may have worked all the same. */
const AFTER_FAILED_ASK_MS = 5000;

/**
 * A virtual machine with its vsock device and virtiofsd processes. It ends with `powerOff` (by itself), `close` or
 * `destroy` (by us), and in any case with this process.
 */
export class Guest implements AsyncDisposable {
  readonly timeline: Timeline;
  readonly accelerator: Machine["accelerator"];
  /** Aborted when QEMU or a device has ended unasked; the reason says why and shows the last console lines. */
  readonly signal: AbortSignal;
  readonly #processes: GuestProcesses;

  /**
   * Starts a guest and waits for its ready line. Rejects when QEMU or a device ends first, the time is over, or the
   * signal is aborted, and then nothing of it is left.
   */
  static async start(options: GuestOptions = {}): Promise<Guest> {
    const machine = await resolveMachine(options);
    const begun = performance.now();
    for (let attempt = 1; ; attempt++) {
      const processes = await startUntilReady(machine, options, begun, attempt < CID_ATTEMPTS);
      if (processes !== undefined) return new Guest(processes, machine, begun, options.signal);
    }
  }

  private constructor(processes: GuestProcesses, machine: Machine, begun: number, signal: AbortSignal | undefined) {
    this.#processes = processes;
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

  /** Where the host dials a vsock port of the guest: `vsock://<cid>:<port>` or `hvsock://<socket>:<port>`. */
  address(port: number): string {
    return this.#processes.vsock.address(port);
  }

  /** A connection to QEMU's control socket, one at a time, of a guest with `hotplug`. The caller closes it. */
  qmp(): Promise<Qmp> {
    return Qmp.connect(controlSocket(this.#processes.directory));
  }

  /** The console's last lines. */
  get console(): string {
    return this.#processes.console.text;
  }

  /** Types into the console of a guest with `consoleInput`. */
  type(text: string): void {
    this.#processes.qemu.stdin?.write(text);
  }

  /** The processes of this guest that still run: QEMU first, then its devices. */
  get pids(): readonly number[] {
    return this.#processes.pids;
  }

  /**
   * Has the guest power off by `ask`, a call to its agent, and waits until QEMU has ended by itself. The call may fail
   * when the guest is gone before it answers.
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
    const how = ended === undefined ? `no power-off within ${limit} ms` : (await qemu.failure()).message;
    throw new MachineError(`guest: ${how}${tail}`, { cause });
  }

  /** Ends QEMU and the devices with SIGTERM, and removes the sockets. Any number of calls. */
  async close(): Promise<void> {
    await this.#processes.end(false);
  }

  /** The same with SIGKILL. */
  async destroy(): Promise<void> {
    await this.#processes.end(true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Undefined when the context id was taken and `retry` allows another attempt. */
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
