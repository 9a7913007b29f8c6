import type { ResourcesSpec } from "../container/cgroup/resources-spec.ts";
import type { Container } from "../container/container.ts";
import type { Process } from "../container/process/process.ts";
import { CdiDevices, type CdiOptions } from "../device/cdi/cdi-devices.ts";
import { Devices } from "../device/devices.ts";
import { type KernelModule, loadKernelModules } from "../guest/kernel-modules.ts";
import { AgentError } from "../kernel/error.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { Lock } from "../kernel/wait/lock.ts";
import type { ImageSettings } from "../storage/image/image-settings.ts";
import type { FindDisk, PlacedStorage, Storage } from "../storage/storage.ts";
import { Storages } from "../storage/storages.ts";
import type { ContainerRequest, ExecRequest, PodParts } from "./container-request.ts";
import { removeDns, setUpDns, updateDns } from "./dns.ts";
import { scanGuestHooks } from "./guest-hooks.ts";
import { OomEvents } from "./oom-events.ts";
import { PodContainers } from "./pod-containers.ts";
import { PodPidNamespace } from "./pod-pid-namespace.ts";
import { createSharedNamespaces, removeSharedNamespaces, renameGuest } from "./shared-namespaces.ts";
import { type SandboxRecord, StateStore } from "./state.ts";

/** Bytes. Longer host names are truncated, as hosts expect. */
const MAX_HOSTNAME = 64;
/** Limit for discarding the sandbox of a service that ends, or that starts after a crash. */
const DISCARD_MS = 10_000;

export interface SandboxOptions {
  readonly stateDirectory: string;
  /** F_SETPIPE_SZ of stdio pipes, bytes; 0 is the kernel's default. */
  readonly pipeSize: number;
  /** Where cgroup2 is mounted. Default: /sys/fs/cgroup. */
  readonly cgroupRoot?: string;
  /** The guest belongs to this sandbox alone, so the memory of all its containers together is limited. Default: false. */
  readonly isGuest?: boolean;
  /** Memory that the containers don't get, beside the guest's usual reserve. Default: 0. */
  readonly reservedBytes?: number;
  readonly cdi?: CdiOptions;
  /** The guest's devices. Default: looked up in sysfs, without uevents. */
  readonly devices?: Devices;
  /** Called once the sandbox has set up the guest, before its first container. */
  readonly protectGuest?: () => void;
  /** Default: 20 minutes, no proxy. */
  readonly images?: ImageSettings;
}

export interface SandboxRequest {
  readonly id: string;
  readonly hostname: string;
  readonly dns: readonly string[];
  /** Directory of the guest's own hooks; "" for none. */
  readonly guestHookPath: string;
  readonly storages: readonly Storage[];
  readonly kernelModules: readonly KernelModule[];
}

/** The pod: its containers and everything they share. State that must outlive the agent is in files or kept by init. */
export class Sandbox {
  readonly oomEvents = new OomEvents();
  /** Resolves once the remains of the last agent's interrupted work are removed. */
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

  /** Restores the sandbox of an earlier agent, if one left any. */
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
    const { reservedBytes = 0 } = options;
    const cgroups = { cgroupRoot, isGuest, reservedBytes };
    const parts = { kernel, state, storages, devices, cdi, pidNamespace, pipeSize, onOomKill, ...cgroups };
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

  /** See PodContainers. */
  stepMicros(id: string): readonly number[] {
    return this.#containers.stepMicros(id);
  }

  /** Adjusts memory limits after the size of the guest's memory has changed. */
  followMemory(): void {
    this.#containers.followMemory();
  }

  /** Creates the pod's namespaces, storages and resolv.conf. Refuses a second call, which changes nothing. */
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
        this.#record = { id: request.id, hostname, storages, hooks };
        this.#state.writeSandbox(this.#record);
      } catch (error) {
        this.#record = undefined;
        await this.#tearDown();
        throw error;
      }
    });
  }

  /** See PodContainers.create. */
  createContainer(request: ContainerRequest, signal?: AbortSignal): Promise<Container> {
    return this.#containers.create(request, () => this.#partsFor(request.id), signal);
  }

  /** See PodContainers.exec. */
  exec(request: ExecRequest, signal: AbortSignal): Promise<Process> {
    return this.#containers.exec(request, signal);
  }

  /** See PodContainers.update. */
  updateContainer(id: string, resources: ResourcesSpec): void {
    this.#containers.update(id, resources);
  }

  /** See PodContainers.remove. */
  removeContainer(id: string, signal: AbortSignal): Promise<void> {
    return this.#containers.remove(id, signal);
  }

  /** Enables swap on a virtio-blk disk, which is waited for by its PCI path. */
  async addSwap(pciPath: string, signal: AbortSignal): Promise<void> {
    const { path } = await this.#devices.disk("blk", pciPath, signal);
    await this.#kernel.sys.swapOn(path);
  }

  /** Changes the host name of the guest, of the pod's containers and of those that are created later. */
  rename(hostname: string): Promise<void> {
    return this.#lock.run(async () => {
      renameGuest(this.#kernel, hostname);
      if (this.#record === undefined) return;
      const { hostname: before } = this.#record;
      this.#record = { ...this.#record, hostname };
      this.#state.writeSandbox(this.#record);
      await this.#storages.rename(before, hostname);
    });
  }

  /** Replaces the lines of resolv.conf. */
  updateDns(lines: readonly string[]): Promise<void> {
    return this.#lock.run(() => updateDns(this.#kernel, lines));
  }

  updateEphemeral(storages: readonly Storage[]): Promise<void> {
    return this.#storages.updateEphemeral(storages);
  }

  /** Destroys the sandbox within a time limit and ignores failures; false if none exists. This object can't be used afterwards. */
  async discard(): Promise<boolean> {
    await this.undone;
    if (this.#record === undefined) return false;
    await this.destroy(AbortSignal.timeout(DISCARD_MS)).catch(() => undefined);
    return true;
  }

  /**
   * Removes every container, then everything of the pod. Works without a sandbox, too: hosts stop an agent that way before creating
   * one. Pending GetOOMEvent calls fail with the sandbox's end.
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
        await this.#tearDown();
        this.oomEvents.close();
        this.#state.clear();
      } finally {
        this.#ending = false;
      }
    });
  }

  /** Returns the pod's settings for a new container. Throws if no sandbox exists or it is being destroyed. */
  #partsFor(id: string): PodParts {
    if (this.#record !== undefined && !this.#ending) return this.#record;
    const why = this.#ending ? "the sandbox is being destroyed" : "there is no sandbox, call CreateSandbox first";
    throw new AgentError("failed-precondition", `create container ${id}: ${why}`);
  }

  /** Removes what the containers shared, as far as that succeeds: the guest powers off next, so a mount may stay. */
  async #tearDown(): Promise<void> {
    this.#pidNamespace.close();
    await Promise.allSettled([
      removeDns(this.#kernel),
      removeSharedNamespaces(this.#kernel),
      this.#storages.release(this.#storages.mountPoints, true),
    ]);
  }
}

/** Truncates UTF-8 text to a number of bytes, never within a character. */
function cutToBytes(text: string, most: number): string {
  return new TextDecoder().decode(Buffer.from(text).subarray(0, most), { stream: true });
}
