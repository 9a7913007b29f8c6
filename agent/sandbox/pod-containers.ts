import { makeBundle, removeBundle } from "../container/bundle.ts";
import type { ResourcesSpec } from "../container/cgroup/resources-spec.ts";
import { Container } from "../container/container.ts";
import { containerRoot } from "../container/container-root.ts";
import { debugTarget, joinTarget, targetMount } from "../container/debug-target.ts";
import { hasCreateHooks } from "../container/hooks/hooks.ts";
import { runHooksIgnoringFailures } from "../container/hooks/run-hooks.ts";
import { sortNamespaces } from "../container/namespaces/namespaces.ts";
import { hasHome } from "../container/process/home.ts";
import { resolveUser } from "../container/process/named-user.ts";
import type { Process } from "../container/process/process.ts";
import { builtInHooks, clearRemains } from "../container/runtime/choose-runtime.ts";
import type { ContainerTraceGuard } from "../container/runtime/runtime.ts";
import { runtimeSetsLimits } from "../container/runtime/runtime-profile.ts";
import { checkSharedMounts } from "../container/shared-mounts.ts";
import type { CdiDevices } from "../device/cdi/cdi-devices.ts";
import type { Devices } from "../device/devices.ts";
import { AgentError } from "../kernel/error.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { publishEvent } from "../kernel/lifecycle.ts";
import { tracedStep } from "../kernel/wait/traced-step.ts";
import { waitUntil } from "../kernel/wait/wait-until.ts";
import { foldLayers } from "../storage/fold-layers.ts";
import { checkedMountPoint } from "../storage/place-storage.ts";
import type { Storages } from "../storage/storages.ts";
import { ContainerCgroups } from "./container-cgroups.ts";
import { checkContainerId } from "./container-id.ts";
import type { ContainerRequest, ExecRequest, PodParts } from "./container-request.ts";
import type { PodPidNamespace } from "./pod-pid-namespace.ts";
import { givenDevices, guestSpec, podSpec, withUser } from "./pod-spec.ts";
import { type RestoredContainer, restoreContainers } from "./restore.ts";
import { shareMounts } from "./share-mounts.ts";
import type { ContainerRecord, StateStore } from "./state.ts";
import { mayBeTraced, TraceGuard } from "./trace-guard.ts";
import { pciOf, withPciAddresses } from "./with-devices.ts";

/** Limit for killing the processes of a creation that failed late. */
const ROLL_BACK_MS = 10_000;
/** Limit for freezing other containers, and keeping them frozen, during a creation without a deadline. */
const HOLD_MS = 60_000;

export interface PodContainersOptions {
  readonly kernel: Kernel;
  readonly state: StateStore;
  readonly storages: Storages;
  readonly devices: Devices;
  readonly cdi: CdiDevices;
  readonly pidNamespace: PodPidNamespace;
  readonly pipeSize: number;
  /** Where cgroup2 is mounted. */
  readonly cgroupRoot: string;
  /** The guest belongs to this sandbox alone, so the memory of all its containers together is limited. */
  readonly isGuest: boolean;
  /** Memory that the containers don't get, beside the guest's usual reserve. */
  readonly reservedBytes: number;
  /** Called with the container's id for each OOM kill. */
  readonly onOomKill: (id: string) => void;
}

/** The pod's containers from creation to removal, with everything that belongs to each. */
export class PodContainers {
  readonly #kernel: Kernel;
  readonly #pipeSize: number;
  readonly #state: StateStore;
  readonly #devices: Devices;
  readonly #cdi: CdiDevices;
  readonly #storages: Storages;
  readonly #pidNamespace: PodPidNamespace;
  readonly #cgroups: ContainerCgroups;
  readonly #guard: TraceGuard;
  readonly #containers = new Map<string, RestoredContainer>();
  /** Creations under way by id; the ids are in use. */
  readonly #creating = new Map<string, Promise<unknown>>();
  /** Removals under way by id; their containers have no process any more. */
  readonly #discarding = new Map<string, Promise<void>>();

  constructor({
    kernel,
    pipeSize,
    state,
    devices,
    cdi,
    storages,
    pidNamespace,
    cgroupRoot,
    isGuest,
    reservedBytes,
    onOomKill,
  }: PodContainersOptions) {
    this.#kernel = kernel;
    this.#pipeSize = pipeSize;
    this.#state = state;
    this.#devices = devices;
    this.#cdi = cdi;
    this.#storages = storages;
    this.#pidNamespace = pidNamespace;
    this.#guard = new TraceGuard(
      () => this.all,
      (id, held) => this.#changeRecord(id, { held }),
    );
    const onOom = (id: string, oomKills: number) => {
      publishEvent({ type: "oom-killed", container: id });
      onOomKill(id);
      ignoreErrors(() => this.#changeRecord(id, { oomKills }));
    };
    this.#cgroups = new ContainerCgroups(kernel, { root: cgroupRoot, isGuest, reservedBytes, onOom });
  }

  /** Restores the containers of an earlier agent; resolves once the remains of its interrupted work are removed. */
  restore(records: readonly ContainerRecord[]): Promise<unknown> {
    const { restored, broken } = restoreContainers(this.#kernel, records, {
      pipeSize: this.#pipeSize,
      traceGuardOf: (id) => this.#traceGuardOf(id),
    });
    for (const entry of restored) {
      this.#containers.set(entry.record.id, entry);
      ignoreErrors(() => this.#cgroups.watch(entry.record, entry.container.init.exit));
    }
    // The last agent may have died between the launch of the first container and the deposit.
    const [first, second] = restored;
    if (first !== undefined && second === undefined)
      ignoreErrors(() => this.#pidNamespace.keep(first.container, false));
    const discarded = Promise.allSettled(broken.map((cut) => this.#discard(cut, { cutOff: true })));
    return discarded.then(() => this.#thawHeld(restored));
  }

  /** Creates the cgroup that all containers share. Throws if that fails, as the creation of a container would. */
  prepare(): void {
    this.#cgroups.prepare();
  }

  /** Adjusts every limit that depends on the size of the guest's memory. */
  followMemory(): void {
    this.#cgroups.followMemory([...this.#containers.values()].map(({ record }) => record));
  }

  /** Thaws containers that the last agent had frozen: the creations for which it froze them are rolled back. */
  #thawHeld(restored: readonly RestoredContainer[]): Promise<unknown> {
    const held = restored.filter(({ record }) => record.held === true);
    return Promise.allSettled(
      held.map(({ container }) => container.freezer.endHold((is) => this.#changeRecord(container.id, { held: is }))),
    );
  }

  get all(): Container[] {
    return [...this.#containers.values()].map(({ container }) => container);
  }

  find(id: string): Container | undefined {
    return this.#containers.get(id)?.container;
  }

  /** Returns the durations of the first operations of a container's launch plan, µs each; [] if they are unknown. */
  stepMicros(id: string): readonly number[] {
    return this.#state.readStepMicros(id);
  }

  /** Resolves when the process's execve has succeeded. `signal` cancels the exec. */
  async exec({ container, execId, process, user, passed }: ExecRequest, signal: AbortSignal): Promise<Process> {
    const pci = this.#containers.get(container.id)?.record.pci ?? {};
    const env = withPciAddresses(process.env, pci);
    const { init } = container;
    // Container.exec refuses a container whose init process has ended; its files can't be read any more.
    const named = init.status === undefined ? user : undefined;
    const root = containerRoot(this.#kernel.sys, container.id, init);
    const resolved = await resolveUser(this.#kernel.contained, root, process.user, named, signal);
    return container.exec(execId, { ...process, env, user: resolved }, signal, passed);
  }

  /**
   * Resolves when the container's process exists and waits for `start`. A failure, or cancellation by `signal`, leaves nothing behind.
   * `pod` throws if no sandbox exists.
   */
  async create(asked: ContainerRequest, pod: () => PodParts, signal?: AbortSignal): Promise<Container> {
    const { id } = asked;
    checkContainerId(id);
    const discarding = this.#discarding.get(id);
    if (discarding !== undefined) await discarding.catch(() => undefined);
    const parts = pod();
    if (this.#containers.has(id) || this.#creating.has(id)) {
      throw new AgentError("already-exists", `create container ${id}: the id already exists`);
    }
    const request = this.#withTarget(asked);
    const create = (pidPath?: string) => this.#create(request, parts, pidPath, signal);
    const creating = request.sharePid ? this.#pidNamespace.share(() => this.all, create, signal) : create();
    this.#creating.set(id, creating);
    try {
      return await creating;
    } finally {
      this.#creating.delete(id);
    }
  }

  /** Changes the given limits and device rules. The message of a failure says what has changed. */
  update(id: string, resources: ResourcesSpec): void {
    const entry = this.#containers.get(id);
    if (entry === undefined) throw new AgentError("not-found", `update container: Invalid container id "${id}"`);
    const { container, record } = entry;
    container.checkNotRemoved();
    const { linux } = record.spec;
    const spec = { ...record.spec, linux: { ...linux, resources: this.#cgroups.update(record, resources) } };
    container.spec = spec;
    this.#changeRecord(id, { spec });
  }

  /**
   * Kills a container's processes, waits for their end and removes everything the container had. A concurrent second call gets the
   * same answer. May be called again after a failure, or after `signal` ended the wait.
   */
  async remove(id: string, signal: AbortSignal): Promise<void> {
    const creating = this.#creating.get(id)?.catch(() => undefined);
    if (creating !== undefined) await waitUntil(creating, signal);
    const entry = this.#containers.get(id);
    if (entry !== undefined) await entry.container.remove(signal);
    else if (!this.#discarding.has(id)) {
      throw new AgentError("not-found", `remove container: Invalid container id "${id}"`);
    }
    const isLast = entry !== undefined && this.#containers.get(id)?.container === entry.container;
    const discard = (record: ContainerRecord) =>
      this.#discard(record).then(() => publishEvent({ type: "container-removed", container: id }));
    const discarding = this.#discarding.get(id) ?? (isLast ? discard(entry.record) : undefined);
    if (discarding !== undefined) await waitUntil(discarding, signal);
  }

  /** Removes all containers, including those being created. */
  async removeAll(signal: AbortSignal): Promise<void> {
    await waitUntil(Promise.allSettled(this.#creating.values()), signal);
    await Promise.all([...this.#containers.keys()].map((id) => this.remove(id, signal)));
  }

  /** Puts a container that debugs another one into that one's namespaces, and mounts its root. */
  #withTarget(request: ContainerRequest): ContainerRequest {
    const target = debugTarget(request.spec.annotations);
    if (target === undefined) return request;
    const spec = joinTarget(request.spec, target, this.find(target.container));
    return { ...request, spec, sharePid: false, sharedMounts: [...request.sharedMounts, targetMount(target)] };
  }

  /** Creates a container step by step and rolls back on failure. `pidPath` is the pod's pid namespace if the container joins it. */
  async #create(
    request: ContainerRequest,
    pod: PodParts,
    pidPath: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Container> {
    const { id } = request;
    const names = this.#cdi.requested({ annotations: request.spec.annotations, env: request.spec.process.env });
    const edits = names && (await tracedStep("find CDI devices", () => this.#cdi.find(names, signal)));
    const asked = podSpec(request, { hooks: pod.hooks, edits, pidPath });
    checkSharedMounts(request.sharedMounts);
    const cgroup = this.#cgroups.directory(id, asked.linux);
    if ([...this.#containers.values()].some(({ record }) => record.cgroup === cgroup)) {
      throw new AgentError("already-exists", `create container ${id}: the cgroup ${cgroup} is another container's`);
    }
    const storages = foldLayers(request.storages).map(checkedMountPoint);
    if (!hasHome(asked.process.env)) this.#kernel.contained.prepare(id);
    let record: ContainerRecord = { id, spec: asked, cgroup, storages, oomKills: 0 };
    const hooks = builtInHooks(asked);
    // These need further steps once the process exists.
    const joinsPids = sortNamespaces(asked.linux.namespaces).pidPath !== undefined;
    const inSteps = hasCreateHooks(hooks) || request.sharedMounts.length > 0 || joinsPids;
    const note = () => this.#state.writeContainer(inSteps ? { ...record, creating: true } : record);
    note();
    // Rolled back if a later step fails.
    let made: ContainerRecord | undefined;
    let container: Container | undefined;
    try {
      const attached = await tracedStep("attach devices", () => this.#devices.attach(request.devices ?? [], signal));
      const found = { attached, edits };
      const placed = guestSpec(asked, found);
      await tracedStep("mount storages", () => this.#storages.acquire(request.storages, id, signal));
      made = { ...record, cgroup: "" };
      const spec = await withUser(this.#kernel, id, placed, request.user, signal);
      if (spec !== asked) {
        record = { ...record, spec, pci: pciOf(attached), devices: givenDevices(asked, found) };
        note();
      }
      await tracedStep("make cgroup", () =>
        this.#cgroups.create(cgroup, spec.linux, runtimeSetsLimits(spec.annotations)),
      );
      made = record;
      const { passed } = request;
      const options = {
        ...{ id, spec, cgroup, pipeSize: this.#pipeSize, podHostname: pod.hostname, passed },
        traceGuard: this.#traceGuardOf(id),
        onMeasured: (stepMicros: readonly number[]) => ignoreErrors(() => this.#state.writeStepMicros(id, stepMicros)),
      };
      if (hooks !== undefined) makeBundle(this.#kernel.files, id, spec);
      // Listed before the guard thaws the others: a container that may trace has to know that this one exists.
      const launch = async (limit = signal) => {
        container = await Container.create(this.#kernel, options, limit);
        this.#cgroups.limitMemory(record);
        this.#containers.set(id, { container, record });
        request.onReady?.();
        return container;
      };
      const patience = signal ?? AbortSignal.timeout(HOLD_MS);
      const launched = await tracedStep("launch process", () => this.#guard.create(record, launch, patience));
      await tracedStep("share mounts", () =>
        shareMounts(this.#kernel, request.sharedMounts, launched, this.all, signal),
      );
      if (inSteps) this.#state.writeContainer(record);
      if (pidPath === undefined) this.#pidNamespace.keep(launched, request.sharePid);
      this.#cgroups.watch(record, launched.init.exit);
      publishEvent({ type: "container-created", container: id });
      return launched;
    } catch (error) {
      await container?.remove(AbortSignal.timeout(ROLL_BACK_MS)).catch(() => undefined);
      if (made === undefined) this.#state.removeContainer(id);
      else await this.#discard(made, { refused: isRefusal(error) }).catch(() => undefined);
      throw error;
    }
  }

  /**
   * Removes everything of a container without processes; runs its poststop hooks unless its spec was refused. May be called again
   * if the cgroup could not be removed.
   */
  #discard(record: ContainerRecord, how: { readonly cutOff?: true; readonly refused?: boolean } = {}): Promise<void> {
    const work = async () => {
      if (how.cutOff) await clearRemains(this.#kernel, { ...record, pipeSize: this.#pipeSize }).catch(() => undefined);
      if (record.cgroup !== "") await this.#cgroups.remove(record);
      this.#containers.delete(record.id);
      try {
        await this.#storages.release(record.storages);
      } finally {
        if (builtInHooks(record.spec) !== undefined) {
          if (how.refused !== true) await runHooksIgnoringFailures(this.#kernel, "poststop", record);
          removeBundle(this.#kernel.files, record.id);
        }
        this.#state.removeContainer(record.id);
      }
    };
    const discarding = work().finally(() => this.#discarding.delete(record.id));
    this.#discarding.set(record.id, discarding);
    return discarding;
  }

  #traceGuardOf(id: string): ContainerTraceGuard {
    return {
      mayBeTraced: () => {
        const container = this.find(id);
        return container === undefined || mayBeTraced(container, this.all);
      },
      settled: () => this.#guard.settled(),
      refuseTracer: () => this.#guard.refuseTracer(id),
    };
  }

  #changeRecord(id: string, change: Partial<ContainerRecord>): void {
    const entry = this.#containers.get(id);
    if (entry === undefined) return;
    const record = { ...entry.record, ...change };
    this.#containers.set(id, { ...entry, record });
    this.#state.writeContainer(record);
  }
}

/** True for a refused spec, of which nothing was begun. */
function isRefusal(error: unknown): boolean {
  return error instanceof AgentError && error.kind === "invalid-argument";
}

/** Runs work whose failure must not stop the agent. */
function ignoreErrors(work: () => void): void {
  try {
    work();
  } catch {
    // The host or the next agent then lacks an event or a detail of the state.
  }
}
