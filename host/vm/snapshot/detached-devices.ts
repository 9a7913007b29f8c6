import type { Machine } from "../guest-options.ts";
import { type GuestProcesses, type RunningShare, startShare } from "../guest-processes.ts";
import { plug, removeBackend, shareDevice, unplug, vsockDevice } from "../plugged-device.ts";
import type { Qmp } from "../qmp.ts";
import type { VsockDevice } from "../vsock-device.ts";

/** Time limit in milliseconds for device programs, and for the guest's drivers once it continues. */
const LIMIT_MS = 30_000;

/**
 * Devices with programs behind them, unplugged from a guest. `attach` plugs in new ones at the same places, lets the
 * guest continue, and resolves once it accepts connections.
 */
export class DetachedDevices {
  readonly #processes: GuestProcesses;
  readonly #machine: Machine;
  #share: RunningShare | undefined;
  #isDetached = false;

  constructor(processes: GuestProcesses, machine: Machine) {
    this.#processes = processes;
    this.#machine = machine;
  }

  /** Returns the devices that a process which was killed has left unplugged. */
  static async find(processes: GuestProcesses, machine: Machine, qmp: Qmp): Promise<DetachedDevices> {
    const found = (await qmp.execute("qom-list", { path: "/machine/peripheral" })) as readonly {
      readonly name: string;
    }[];
    const devices = new DetachedDevices(processes, machine);
    const { backend } = processes.vsock;
    devices.#isDetached = backend.kind !== "vhost" && !found.some(({ name }) => name === "vsock");
    const left = devices.#isDetached ? vsockDevice(backend, machine).backend : undefined;
    if (left !== undefined) await removeBackend(qmp, left.id);
    return devices;
  }

  /** Unplugs the share, which must not be in use. */
  async detachShare(qmp: Qmp): Promise<void> {
    const [share] = this.#processes.shares;
    if (share === undefined) return;
    await unplug(qmp, shareDevice(share.place, 0, this.#machine));
    await this.#processes.removeShare(share);
    this.#share = share;
  }

  /** Unplugs the vsock device, unless it is the kernel's, which can stay. Connections end. */
  async detachVsock(qmp: Qmp): Promise<void> {
    const { vsock } = this.#processes;
    if (vsock.backend.kind === "vhost") return;
    vsock.hide();
    await unplug(qmp, vsockDevice(vsock.backend, this.#machine));
    if (vsock.backend.kind === "vhost-user") await this.#processes.endVsock();
    this.#isDetached = true;
  }

  async attach(qmp: Qmp): Promise<void> {
    const signal = AbortSignal.timeout(LIMIT_MS);
    const processes = this.#processes;
    const vsock = this.#isDetached ? await this.#freshVsock(signal) : undefined;
    if (vsock !== undefined) await plug(qmp, vsockDevice(vsock.backend, this.#machine));
    if (this.#share !== undefined) {
      const share = await startShare(processes, this.#share.share, 0, signal);
      processes.addShare(share);
      await plug(qmp, shareDevice(share.place, 0, this.#machine));
    }
    await qmp.execute("cont");
    await vsock?.ready(qmp, signal);
  }

  /** The program of the channel takes another port; that of a vsock device serves only one. */
  async #freshVsock(signal: AbortSignal): Promise<VsockDevice> {
    const { vsock } = this.#processes;
    return vsock.backend.kind === "serial" ? vsock : this.#processes.startVsock(signal);
  }
}
