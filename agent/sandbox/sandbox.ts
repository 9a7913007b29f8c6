import { makeBundle, removeBundle } from "../container/bundle.ts";
import type { ResourcesSpec } from "../container/cgroup/resources-spec.ts";
import { checkSpec } from "../container/check-spec.ts";
import { Container } from "../container/container.ts";
import { type HooksSpec, hasCreateHooks, mergeHooks } from "../container/hooks/hooks.ts";
import { runHooksAnyway } from "../container/hooks/run-hooks.ts";
import { clearRemains, launcherHooks } from "../container/maker-of.ts";
import { type NamedUser, resolveUser } from "../container/process/named-user.ts";
import { leavesLimits } from "../container/runtime/runtime-profile.ts";
import { checkSharedMounts, isNamed, type SharedMount, shareMount } from "../container/shared-mounts.ts";
import type { Spec } from "../container/spec.ts";
import type { DeviceRequest } from "../device/attach-device.ts";
import { Devices } from "../device/devices.ts";
import { type KernelModule, loadKernelModules } from "../guest/kernel-modules.ts";
import { AgentError } from "../kernel/error.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { Lock } from "../kernel/lock.ts";
import { until } from "../kernel/until.ts";
import { mountPointOf } from "../storage/place-storage.ts";
import type { FindDisk, Storage } from "../storage/storage.ts";
import { Storages } from "../storage/storages.ts";
import { ContainerCgroups } from "./container-cgroups.ts";
import { checkContainerId } from "./container-id.ts";
import { removeDns, setUpDns } from "./dns.ts";
import { scanGuestHooks } from "./guest-hooks.ts";
import { OomEvents } from "./oom-events.ts";
import { podNamespaces } from "./pod-namespaces.ts";
import { PodPidNamespace } from "./pod-pid-namespace.ts";
import { type RestoredContainer, restoreContainers } from "./restore.ts";
import { createSharedNamespaces, removeSharedNamespaces } from "./shared-namespaces.ts";
import { type ContainerRecord, type SandboxRecord, StateStore } from "./state.ts";
import { pciOf, withDevices } from "./with-devices.ts";

/** Bytes. Longer host names are cut, as hosts expect. */
const MAX_HOSTNAME = 64;
/** How long the processes of a creation that failed late have to die. */
const ROLL_BACK_MS = 10_000;
/** A service that ends, or begins after a bad end. */
const DISCARD_MS = 10_000;

export interface SandboxOptions {
  readonly stateDirectory: string;
  /** F_SETPIPE_SZ of stdio pipes, bytes; 0 is the kernel's default. */
  readonly pipeSize: number;
  /** Where cgroup2 is mounted. Default: /sys/fs/cgroup. */
  readonly cgroupRoot?: string;
  /** Of the guest. Default: found in sysfs, without waking events. */
  readonly devices?: Devices;
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

export interface ContainerRequest {
  readonly id: string;
  readonly spec: Spec;
  readonly storages: readonly Storage[];
  /** Devices of its spec, to be found in the guest. */
  readonly devices?: readonly DeviceRequest[];
  readonly sharedMounts: readonly SharedMount[];
  /** Of its process, by name. */
  readonly user?: NamedUser | undefined;
  /** It joins the sandbox's pid namespace (that of the first container). */
  readonly sharePid: boolean;
}

/** The pod: what its containers share, and the containers. What must outlive the agent is in the state files or with init. */
export class Sandbox {
  readonly oomEvents = new OomEvents();
  /** Resolves when what an earlier agent had half done is taken away. */
  readonly undone: Promise<unknown>;
  readonly #kernel: Kernel;
  readonly #pipeSize: number;
  readonly #state: StateStore;
  readonly #devices: Devices;
  readonly #storages: Storages;
  readonly #cgroups: ContainerCgroups;
  readonly #containers = new Map<string, RestoredContainer>();
  /** Creations at work: their ids are taken. */
  readonly #creating = new Map<string, Promise<unknown>>();
  /** Removals at work: their containers have no process any more. */
  readonly #discarding = new Map<string, Promise<void>>();
  readonly #lock = new Lock();
  #record: SandboxRecord | undefined;
  readonly #pidNamespace: PodPidNamespace;
  #ending = false;

  /** Finds again what an earlier agent left. */
  constructor(kernel: Kernel, options: SandboxOptions) {
    this.#kernel = kernel;
    this.#pipeSize = options.pipeSize;
    this.#state = new StateStore(kernel.files, options.stateDirectory);
    this.#cgroups = new ContainerCgroups(kernel, options.cgroupRoot ?? "/sys/fs/cgroup", (id, oomKills) => {
      this.oomEvents.push(id);
      ignoreErrors(() => this.#changeRecord(id, { oomKills }));
    });
    const sandbox = this.#state.readSandbox();
    const records = this.#state.readContainers();
    this.#record = sandbox;
    const users = [...(sandbox?.storages ?? []), ...records.flatMap(({ storages }) => storages)];
    this.#devices = options.devices ?? new Devices();
    const findDisk: FindDisk = async (kind, source, signal) => (await this.#devices.disk(kind, source, signal)).path;
    this.#storages = new Storages(kernel, findDisk, {
      users,
      known: this.#state.readStorages(),
      save: (known) => this.#state.writeStorages(known),
    });
    this.#pidNamespace = new PodPidNamespace(kernel);
    const { restored, broken } = restoreContainers(kernel, records, this.#pipeSize);
    for (const entry of restored) {
      this.#containers.set(entry.record.id, entry);
      ignoreErrors(() => this.#cgroups.watch(entry.record, entry.container.init.exit));
    }
    this.undone = Promise.allSettled(broken.map((cut) => this.#discard(cut, { cutOff: true })));
    // The agent before may have died between the launch of the first container and the deposit.
    const [first, second] = restored;
    if (first !== undefined && second === undefined) ignoreErrors(() => this.#pidNamespace.keep(first.container));
  }

  get containers(): Container[] {
    return [...this.#containers.values()].map(({ container }) => container);
  }

  find(id: string): Container | undefined {
    return this.#containers.get(id)?.container;
  }

  /** PCI addresses in the guest of what a container was given, by those on the host. */
  pciAddresses(id: string): Readonly<Record<string, string>> {
    return this.#containers.get(id)?.record.pci ?? {};
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
        const storages = await this.#storages.acquire(request.storages, "");
        const hooks = scanGuestHooks(request.guestHookPath);
        await setUpDns(this.#kernel, request.dns);
        this.#record = { id: request.id, hostname, storages, ...(hooks === undefined ? {} : { hooks }) };
        this.#saveSandbox();
      } catch (error) {
        this.#record = undefined;
        await this.#tearDown().catch(() => undefined);
        throw error;
      }
    });
  }

  /**
   * The container's process exists and waits for `start` when this resolves; on failure, and when `signal` gives the
   * creation up, nothing is left.
   */
  async createContainer(request: ContainerRequest, signal?: AbortSignal): Promise<Container> {
    const { id } = request;
    checkContainerId(id);
    const discarding = this.#discarding.get(id);
    if (discarding !== undefined) await discarding.catch(() => undefined);
    if (this.#record === undefined || this.#ending) {
      const why = this.#ending ? "the sandbox is being destroyed" : "there is no sandbox, call CreateSandbox first";
      throw new AgentError("failed-precondition", `create container ${id}: ${why}`);
    }
    if (this.#containers.has(id) || this.#creating.has(id)) {
      throw new AgentError("already-exists", `create container ${id}: the id already exists`);
    }
    const creating = this.#createContainer(request, signal);
    this.#creating.set(id, creating);
    try {
      return await creating;
    } finally {
      this.#creating.delete(id);
    }
  }

  /** Swap on a virtio-blk disk, by its PCI path. */
  async addSwap(pciPath: string, signal: AbortSignal): Promise<void> {
    const { path } = await this.#devices.disk("blk", pciPath, signal);
    await this.#kernel.sys.swapOn(path);
  }

  updateEphemeral(storages: readonly Storage[]): Promise<void> {
    return this.#storages.updateEphemeral(storages);
  }

  /** Changes the limits that are given, and the rules for devices. On failure the message says what was changed. */
  updateContainer(id: string, resources: ResourcesSpec): void {
    const entry = this.#containers.get(id);
    if (entry === undefined) throw new AgentError("not-found", `update container: Invalid container id "${id}"`);
    const { container, record } = entry;
    const { linux } = record.spec;
    const spec = { ...record.spec, linux: { ...linux, resources: this.#cgroups.update(record, resources) } };
    container.spec = spec;
    this.#changeRecord(id, { spec });
  }

  /**
   * Kills its processes, waits for their end and takes away all that the container had. A second call while the first
   * is at work gets the same answer; after a failure, or when `signal` ended the wait, it may be asked again.
   */
  async removeContainer(id: string, signal: AbortSignal): Promise<void> {
    const creating = this.#creating.get(id)?.catch(() => undefined);
    if (creating !== undefined) await until(creating, signal);
    const entry = this.#containers.get(id);
    if (entry !== undefined) await entry.container.remove(signal);
    else if (!this.#discarding.has(id)) {
      throw new AgentError("not-found", `remove container: Invalid container id "${id}"`);
    }
    const isLast = entry !== undefined && this.#containers.get(id)?.container === entry.container;
    const discarding = this.#discarding.get(id) ?? (isLast ? this.#discard(entry.record) : undefined);
    if (discarding !== undefined) await until(discarding, signal);
  }

  /** What there is of a sandbox is taken away within a time; false when there is none. This object is of no use then. */
  async discard(): Promise<boolean> {
    await this.undone;
    if (this.#record === undefined) return false;
    await this.destroy(AbortSignal.timeout(DISCARD_MS)).catch(() => undefined);
    return true;
  }

  /** Removes every container, then the pod's own. Askers for OOM events are told that it is over. */
  destroy(signal: AbortSignal): Promise<void> {
    return this.#lock.run(async () => {
      if (this.#record === undefined) throw new AgentError("internal", "destroy sandbox: there is no sandbox");
      this.#ending = true;
      try {
        await until(Promise.allSettled(this.#creating.values()), signal);
        await Promise.all([...this.#containers.keys()].map((id) => this.removeContainer(id, signal)));
        this.#record = undefined;
        // The guest goes off next: what can't be unmounted goes with it.
        await this.#tearDown().catch(() => undefined);
        this.oomEvents.close();
        this.#state.clear();
      } finally {
        this.#ending = false;
      }
    });
  }

  async #createContainer(request: ContainerRequest, signal?: AbortSignal): Promise<Container> {
    const { id } = request;
    const namespaces = podNamespaces(request.spec.linux.namespaces, {
      sharePid: request.sharePid,
      pidPath: request.sharePid ? this.#pidNamespace.path(this.containers) : undefined,
    });
    const asked = withHooks(
      { ...request.spec, linux: { ...request.spec.linux, namespaces } },
      mergeHooks(request.spec.hooks, this.#record?.hooks),
    );
    checkSpec(asked);
    checkSharedMounts(request.sharedMounts);
    const cgroup = this.#cgroups.directory(id, asked.linux);
    if ([...this.#containers.values()].some(({ record }) => record.cgroup === cgroup)) {
      throw new AgentError("already-exists", `create container ${id}: the cgroup ${cgroup} is another container's`);
    }
    const storages = request.storages.map(mountPointOf);
    let record: ContainerRecord = { id, spec: asked, cgroup, storages, oomKills: 0 };
    const hooks = launcherHooks(asked);
    // More is done when its process is there.
    const inSteps = hasCreateHooks(hooks) || request.sharedMounts.length > 0;
    const note = () => this.#state.writeContainer(inSteps ? { ...record, creating: true } : record);
    note();
    // What there is to take away, should it fail from here on.
    let made: ContainerRecord | undefined;
    let container: Container | undefined;
    try {
      const attached = await this.#devices.attach(request.devices ?? [], signal);
      const placed = withDevices(asked, attached);
      await this.#storages.acquire(request.storages, id, signal);
      made = { ...record, cgroup: "" };
      const spec = withUser(this.#kernel, placed, request.user);
      if (spec !== asked) {
        record = { ...record, spec, pci: pciOf(attached) };
        note();
      }
      await this.#cgroups.create(cgroup, spec.linux, leavesLimits(spec.annotations));
      made = record;
      const options = { id, spec, cgroup, pipeSize: this.#pipeSize, podHostname: this.#record?.hostname ?? "" };
      if (hooks !== undefined) makeBundle(this.#kernel.files, id, spec);
      container = await Container.create(this.#kernel, options, signal);
      await this.#shareMounts(request.sharedMounts, container, signal);
      if (inSteps) this.#state.writeContainer(record);
      this.#pidNamespace.keep(container);
      this.#containers.set(id, { container, record });
      this.#cgroups.watch(record, container.init.exit);
      return container;
    } catch (error) {
      await container?.remove(AbortSignal.timeout(ROLL_BACK_MS)).catch(() => undefined);
      if (made === undefined) this.#state.removeContainer(id);
      else await this.#discard(made, { refused: isRefusal(error) }).catch(() => undefined);
      throw error;
    }
  }

  async #shareMounts(mounts: readonly SharedMount[], target: Container, signal?: AbortSignal): Promise<void> {
    const ownerOf = ({ id, init: { pid, pidfd } }: Container) => ({ id, pid, pidfd });
    for (const mount of mounts) {
      const source = this.containers.find(({ id, spec }) => isNamed(id, spec.annotations, mount.source));
      if (source === undefined || source.init.status !== undefined) {
        const why = `no container ${JSON.stringify(mount.source.slice(0, 80))} runs`;
        throw new AgentError("internal", `shared mount ${mount.name}: ${why}`);
      }
      await shareMount(this.#kernel, mount, ownerOf(source), ownerOf(target), signal);
    }
  }

  /**
   * Takes away what a container without processes had; runs its poststop hooks unless it never came to be. After a
   * failure of the cgroup's removal it may be asked again.
   */
  #discard(record: ContainerRecord, how: { readonly cutOff?: true; readonly refused?: boolean } = {}): Promise<void> {
    const work = async () => {
      if (how.cutOff) await clearRemains(this.#kernel, { ...record, pipeSize: this.#pipeSize }).catch(() => undefined);
      if (record.cgroup !== "") await this.#cgroups.remove(record);
      this.#containers.delete(record.id);
      try {
        await this.#storages.release(record.storages);
      } finally {
        if (launcherHooks(record.spec) !== undefined) {
          if (how.refused !== true) await runHooksAnyway(this.#kernel, "poststop", record);
          removeBundle(this.#kernel.files, record.id);
        }
        this.#state.removeContainer(record.id);
      }
    };
    const discarding = work().finally(() => this.#discarding.delete(record.id));
    this.#discarding.set(record.id, discarding);
    discarding.catch(() => undefined); // for those who wait; nobody may
    return discarding;
  }

  #changeRecord(id: string, change: Partial<ContainerRecord>): void {
    const entry = this.#containers.get(id);
    if (entry === undefined) return;
    const record = { ...entry.record, ...change };
    this.#containers.set(id, { ...entry, record });
    this.#state.writeContainer(record);
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

/** Without the field where there are none. */
function withHooks(spec: Spec, hooks: HooksSpec | undefined): Spec {
  return hooks === undefined ? spec : { ...spec, hooks };
}

/** With the numbers of a user by name, which only the container's own files tell. */
function withUser({ sys }: Kernel, spec: Spec, named: NamedUser | undefined): Spec {
  const user = resolveUser(sys, spec.root.path, spec.process.user, named);
  return user === spec.process.user ? spec : { ...spec, process: { ...spec.process, user } };
}

/** A spec that can't be: nothing of it was begun. */
function isRefusal(error: unknown): boolean {
  return error instanceof AgentError && error.kind === "invalid-argument";
}

/** For what must not keep the agent from going on. */
function ignoreErrors(work: () => void): void {
  try {
    work();
  } catch {
    // The next agent, or the host, sees less than it might.
  }
}
