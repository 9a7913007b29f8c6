import type { ResourcesSpec } from "../container/cgroup/resources-spec.ts";
import type { Container } from "../container/container.ts";
import { CdiDevices, type CdiOptions } from "../device/cdi/cdi-devices.ts";
import { Devices } from "../device/devices.ts";
import { type KernelModule, loadKernelModules } from "../guest/kernel-modules.ts";
import { AgentError } from "../kernel/error.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { Lock } from "../kernel/wait/lock.ts";
import type { ImageSettings } from "../storage/image/image-settings.ts";
import type { FindDisk, PlacedStorage, Storage } from "../storage/storage.ts";
import { Storages } from "../storage/storages.ts";
import type { ContainerRequest, PodParts } from "./container-request.ts";
import { removeDns, setUpDns } from "./dns.ts";
import { scanGuestHooks } from "./guest-hooks.ts";
import { OomEvents } from "./oom-events.ts";
import { PodContainers } from "./pod-containers.ts";
import { PodPidNamespace } from "./pod-pid-namespace.ts";
import { createSharedNamespaces, removeSharedNamespaces } from "./shared-namespaces.ts";
import { type SandboxRecord, StateStore } from "./state.ts";

/** Bytes. Longer host names are cut, as hosts expect. */
const MAX_HOSTNAME = 64;
/** A service that ends, or begins after a bad end. */
const DISCARD_MS = 10_000;

export interface SandboxOptions {
  readonly stateDirectory: string;
  /** F_SETPIPE_SZ of stdio pipes, bytes; 0 is the kernel's default. */
  readonly pipeSize: number;
  /** Where cgroup2 is mounted. Default: /sys/fs/cgroup. */
  readonly cgroupRoot?: string;
  /** The guest is the sandbox's own: what its containers use together is limited. Default: false. */
  readonly isGuest?: boolean;
  readonly cdi?: CdiOptions;
  /** Of the guest. Default: found in sysfs, without waking events. */
  readonly devices?: Devices;
  /** Called when the sandbox has what it needs of the guest, before its first container. */
  readonly protectGuest?: () => void;
  /** Default: 20 minutes, no proxy. */
  readonly images?: ImageSettings;
}

export interface SandboxRequest {
  readonly id: string;
  readonly hostname: string;
  readonly dns: readonly string[];
  /** Directory of hooks of the guest itself; "" for none. */
  readonly guestHookPath: string;
  readonly storages: readonly Storage[];
  readonly kernelModules: readonly KernelModule[];
}

/** The pod: what its containers share, and the containers. What must outlive the agent is in the state files or with init. */
export class Sandbox {
  readonly oomEvents = new OomEvents();
  /** Resolves when what an earlier agent had half done is taken away. */
  readonly undone: Promise<unknown>;
  readonly #kernel: Kernel;
  readonly #state: StateStore;
  readonly #devices: Devices;
  readonly #storages: Storages;
  readonly #containers: PodContainers;
  readonly #pidNamespace: PodPidNamespace;
  readonly #protectGuest: (() => void) | undefined;
  readonly #lock = new Lock();
  #record: SandboxRecord | undefined;
  #ending = false;
  #destroyed = false;

  /** Finds again what an earlier agent left. */
  constructor(kernel: Kernel, options: SandboxOptions) {
    const { stateDirectory, pipeSize, cgroupRoot = "/sys/fs/cgroup", isGuest = false } = options;
    this.#kernel = kernel;
    this.#protectGuest = options.protectGuest;
    this.#state = new StateStore(kernel.files, stateDirectory);
    const sandbox = this.#state.readSandbox();
    const records = this.#state.readContainers();
    this.#record = sandbox;
    const users = [...(sandbox?.storages ?? []), ...records.flatMap(({ storages }) => storages)];
    this.#devices = options.devices ?? new Devices();
    const findDisk: FindDisk = async (kind, source, signal, partition) => {
      const { path } = await this.#devices.disk(kind, source, signal);
      return partition === undefined ? path : (await this.#devices.partition(path, partition, signal)).path;
    };
    const kept = {
      users,
      known: this.#state.readStorages(),
      save: (known: readonly PlacedStorage[]) => this.#state.writeStorages(known),
    };
    this.#storages = new Storages(kernel, findDisk, kept, options.images);
    this.#pidNamespace = new PodPidNamespace(kernel);
    const [state, storages, devices, pidNamespace] = [this.#state, this.#storages, this.#devices, this.#pidNamespace];
    const onOomKill = (id: string) => this.oomEvents.push(id);
    const cdi = new CdiDevices(options.cdi);
    const parts = { kernel, state, storages, devices, cdi, pidNamespace, pipeSize, cgroupRoot, isGuest, onOomKill };
    this.#containers = new PodContainers(parts);
    this.undone = this.#containers.restore(records);
  }

  get exists(): boolean {
    return this.#record !== undefined;
  }

  get id(): string | undefined {
    return this.#record?.id;
  }

  get containers(): Container[] {
    return this.#containers.all;
  }

  find(id: string): Container | undefined {
    return this.#containers.find(id);
  }

  /** The guest has more memory than before, or less. */
  followMemory(): void {
    this.#containers.followMemory();
  }

  /** PCI addresses in the guest of what a container was given, by those on the host. */
  pciAddresses(id: string): Readonly<Record<string, string>> {
    return this.#containers.pciAddresses(id);
  }

  /** Namespaces, storages and resolv.conf of the pod. A second call is refused and changes nothing. */
  create(request: SandboxRequest): Promise<void> {
    return this.#lock.run(async () => {
      if (this.#record !== undefined) {
        throw new AgentError("already-exists", `create sandbox: sandbox "${this.#record.id}" already exists`);
      }
      const hostname = cutToBytes(request.hostname, MAX_HOSTNAME);
      try {
        await loadKernelModules(request.kernelModules);
        await createSharedNamespaces(this.#kernel, hostname);
        await this.#storages.removeLeftovers();
        const storages = await this.#storages.acquire(request.storages, "");
        const hooks = scanGuestHooks(request.guestHookPath);
        await setUpDns(this.#kernel, request.dns);
        this.#protectGuest?.();
        this.#containers.prepare();
        this.#record = { id: request.id, hostname, storages, ...(hooks === undefined ? {} : { hooks }) };
        this.#saveSandbox();
      } catch (error) {
        this.#record = undefined;
        await this.#tearDown().catch(() => undefined);
        throw error;
      }
    });
  }

  /** See PodContainers.create. */
  createContainer(request: ContainerRequest, signal?: AbortSignal): Promise<Container> {
    return this.#containers.create(request, () => this.#partsFor(request.id), signal);
  }

  /** See PodContainers.update. */
  updateContainer(id: string, resources: ResourcesSpec): void {
    this.#containers.update(id, resources);
  }

  /** See PodContainers.remove. */
  removeContainer(id: string, signal: AbortSignal): Promise<void> {
    return this.#containers.remove(id, signal);
  }

  /** Swap on a virtio-blk disk, by its PCI path. */
  async addSwap(pciPath: string, signal: AbortSignal): Promise<void> {
    const { path } = await this.#devices.disk("blk", pciPath, signal);
    await this.#kernel.sys.swapOn(path);
  }

  updateEphemeral(storages: readonly Storage[]): Promise<void> {
    return this.#storages.updateEphemeral(storages);
  }

  /** What there is of a sandbox is taken away within a time; false when there is none. This object is of no use then. */
  async discard(): Promise<boolean> {
    await this.undone;
    if (this.#record === undefined) return false;
    await this.destroy(AbortSignal.timeout(DISCARD_MS)).catch(() => undefined);
    return true;
  }

  /**
   * Removes every container, then the pod's own, if there is one: hosts end an agent so before its sandbox too. Askers for OOM
   * events are told that it is over.
   */
  destroy(signal: AbortSignal): Promise<void> {
    return this.#lock.run(async () => {
      if (this.#record === undefined && this.#destroyed) {
        throw new AgentError("internal", "destroy sandbox: it is destroyed already");
      }
      this.#ending = true;
      try {
        await this.#containers.removeAll(signal);
        this.#record = undefined;
        this.#destroyed = true;
        // The guest goes off next: what can't be unmounted goes with it.
        await this.#tearDown().catch(() => undefined);
        this.oomEvents.close();
        this.#state.clear();
      } finally {
        this.#ending = false;
      }
    });
  }

  /** For a container that is to be made; throws where there is no sandbox to be in. */
  #partsFor(id: string): PodParts {
    if (this.#record !== undefined && !this.#ending) return this.#record;
    const why = this.#ending ? "the sandbox is being destroyed" : "there is no sandbox, call CreateSandbox first";
    throw new AgentError("failed-precondition", `create container ${id}: ${why}`);
  }

  #saveSandbox(): void {
    if (this.#record !== undefined) this.#state.writeSandbox(this.#record);
  }

  async #tearDown(): Promise<void> {
    this.#pidNamespace.close();
    const work = [removeDns(this.#kernel), removeSharedNamespaces(this.#kernel)];
    const all = await Promise.allSettled([...work, this.#storages.release(this.#storages.mountPoints, true)]);
    for (const result of all) if (result.status === "rejected") throw result.reason;
  }
}

/** Never within a character. */
function cutToBytes(text: string, most: number): string {
  return new TextDecoder().decode(Buffer.from(text).subarray(0, most), { stream: true });
}
