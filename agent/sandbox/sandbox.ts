import { Container } from "../container/container.ts";
import type { Spec } from "../container/spec.ts";
import { AgentError } from "../kernel/error.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { Lock } from "../kernel/lock.ts";
import type { Storage } from "../storage/storage.ts";
import { Storages } from "../storage/storages.ts";
import { ContainerCgroups } from "./container-cgroups.ts";
import { checkContainerId } from "./container-id.ts";
import { removeDns, setUpDns } from "./dns.ts";
import { OomEvents } from "./oom-events.ts";
import { podNamespaces } from "./pod-namespaces.ts";
import { restoreContainers } from "./restore.ts";
import { createSharedNamespaces, removeSharedNamespaces } from "./shared-namespaces.ts";
import { type ContainerRecord, StateStore } from "./state.ts";

const PID_NAMESPACE = "sandbox-pidns";
/** Longer host names are cut, as hosts expect. */
const MAX_HOSTNAME = 64;

export interface SandboxOptions {
  readonly stateDirectory: string;
  /** F_SETPIPE_SZ of stdio pipes, bytes; 0 is the kernel's default. */
  readonly pipeSize: number;
}

export interface SandboxRequest {
  readonly id: string;
  readonly hostname: string;
  readonly dns: readonly string[];
  readonly storages: readonly Storage[];
}

export interface ContainerRequest {
  readonly id: string;
  readonly spec: Spec;
  readonly storages: readonly Storage[];
  /** It joins the sandbox's pid namespace (that of the first container). */
  readonly sharePid: boolean;
}

/** The pod: what its containers share, and the containers. What must outlive the agent is in the state files or with init. */
export class Sandbox {
  readonly oomEvents = new OomEvents();
  readonly #kernel: Kernel;
  readonly #pipeSize: number;
  readonly #state: StateStore;
  readonly #storages: Storages;
  readonly #cgroups: ContainerCgroups;
  readonly #containers = new Map<string, { readonly container: Container; readonly record: ContainerRecord }>();
  /** Containers that are being created: their ids are taken. */
  readonly #creating = new Set<string>();
  /** Removals at work: their containers have no process any more. */
  readonly #discarding = new Map<string, Promise<void>>();
  readonly #lock = new Lock();
  #record: { readonly id: string; readonly hostname: string } | undefined;
  #pidNamespace: number | undefined;

  /** Finds again what an earlier agent left. */
  constructor(kernel: Kernel, options: SandboxOptions) {
    this.#kernel = kernel;
    this.#pipeSize = options.pipeSize;
    this.#state = new StateStore(kernel.files, options.stateDirectory);
    this.#cgroups = new ContainerCgroups(kernel.files, (record) => {
      this.#state.writeContainer(record);
      this.oomEvents.push(record.id);
    });
    const record = this.#state.readSandbox();
    this.#record = record;
    this.#storages = new Storages(kernel, record?.storages ?? []);
    this.#pidNamespace = kernel.init.greeting.deposits.get(PID_NAMESPACE);
    const { restored, broken } = restoreContainers(kernel, this.#state, this.#pipeSize);
    for (const entry of restored) {
      this.#containers.set(entry.record.id, entry);
      this.#cgroups.watch(entry.record, entry.container.init.exit);
    }
    for (const cut of broken) void this.#discard(cut).catch(() => undefined);
  }

  get containers(): Container[] {
    return [...this.#containers.values()].map(({ container }) => container);
  }

  find(id: string): Container | undefined {
    return this.#containers.get(id)?.container;
  }

  /** Namespaces, storages and resolv.conf of the pod. A second call is refused and changes nothing. */
  create(request: SandboxRequest): Promise<void> {
    return this.#lock.run(async () => {
      if (this.#record !== undefined) {
        throw new AgentError("already-exists", `create sandbox: sandbox "${this.#record.id}" already exists`);
      }
      const hostname = request.hostname.slice(0, MAX_HOSTNAME);
      try {
        await createSharedNamespaces(this.#kernel, hostname);
        await this.#storages.acquire(request.storages);
        await setUpDns(this.#kernel, request.dns);
      } catch (error) {
        await this.#tearDown();
        throw error;
      }
      this.#record = { id: request.id, hostname };
      this.#saveSandbox();
    });
  }

  /** The container's process exists and waits for `start` when this resolves; on failure nothing is left. */
  async createContainer(request: ContainerRequest): Promise<Container> {
    const { id } = request;
    checkContainerId(id);
    if (this.#record === undefined) {
      throw new AgentError(
        "failed-precondition",
        `create container ${id}: there is no sandbox, call CreateSandbox first`,
      );
    }
    if (this.#containers.has(id) || this.#creating.has(id)) {
      throw new AgentError("already-exists", `create container ${id}: the id already exists`);
    }
    this.#creating.add(id);
    try {
      return await this.#createContainer(request);
    } finally {
      this.#creating.delete(id);
    }
  }

  /**
   * Kills its processes, waits for their end and takes away all that the container had. A second call while the first
   * is at work gets the same answer; after a failure it may be asked again.
   */
  async removeContainer(id: string, signal: AbortSignal): Promise<void> {
    const entry = this.#containers.get(id);
    if (entry === undefined) throw new AgentError("not-found", `remove container: Invalid container id "${id}"`);
    await entry.container.remove(signal);
    const discarding = this.#discarding.get(id) ?? this.#discard(entry.record);
    this.#discarding.set(id, discarding);
    try {
      await discarding;
      this.#containers.delete(id);
    } finally {
      this.#discarding.delete(id);
    }
  }

  /** Removes every container, then the pod's own. Askers for OOM events are told that it is over. */
  destroy(signal: AbortSignal): Promise<void> {
    return this.#lock.run(async () => {
      if (this.#record === undefined) throw new AgentError("internal", "destroy sandbox: there is no sandbox");
      await Promise.all([...this.#containers.keys()].map((id) => this.removeContainer(id, signal)));
      this.#record = undefined;
      await this.#tearDown();
      this.oomEvents.close();
      this.#state.clear();
    });
  }

  async #createContainer(request: ContainerRequest): Promise<Container> {
    const { id } = request;
    const namespaces = podNamespaces(request.spec.linux.namespaces, {
      sharePid: request.sharePid,
      pidPath: this.#pidNamespace === undefined ? undefined : `/proc/self/fd/${this.#pidNamespace}`,
      containers: this.#containers.size,
    });
    const spec = { ...request.spec, linux: { ...request.spec.linux, namespaces } };
    const storages = await this.#storages.acquire(request.storages);
    let record: ContainerRecord | undefined;
    try {
      if (storages.length > 0) this.#saveSandbox();
      const cgroup = await this.#cgroups.create(id, spec.linux);
      record = { id, spec, cgroup, storages, oomKills: 0 };
      this.#state.writeContainer(record);
      const container = await Container.create(this.#kernel, { id, spec, cgroup, pipeSize: this.#pipeSize });
      this.#containers.set(id, { container, record });
      this.#cgroups.watch(record, container.init.exit);
      this.#keepPidNamespace(container);
      return container;
    } catch (error) {
      await (record === undefined ? this.#storages.release(storages) : this.#discard(record)).catch(() => undefined);
      throw error;
    }
  }

  /** The pid namespace of the first container is the sandbox's; init keeps it while the agent is away. */
  #keepPidNamespace(container: Container): void {
    if (this.#pidNamespace !== undefined) return;
    const namespace = container.openPidNamespace();
    this.#kernel.init.deposit(PID_NAMESPACE, namespace);
    this.#pidNamespace = namespace;
  }

  async #discard(record: ContainerRecord): Promise<void> {
    await this.#cgroups.remove(record);
    await this.#storages.release(record.storages);
    this.#state.removeContainer(record.id);
    if (record.storages.length > 0) this.#saveSandbox();
  }

  #saveSandbox(): void {
    if (this.#record !== undefined) this.#state.writeSandbox({ ...this.#record, storages: this.#storages.records });
  }

  async #tearDown(): Promise<void> {
    await removeDns(this.#kernel);
    await this.#storages.release(
      this.#storages.records.map((record) => record.mountPoint),
      true,
    );
    await removeSharedNamespaces(this.#kernel);
    if (this.#pidNamespace === undefined) return;
    this.#kernel.sys.close(this.#pidNamespace);
    this.#kernel.init.withdraw(PID_NAMESPACE);
    this.#pidNamespace = undefined;
  }
}
