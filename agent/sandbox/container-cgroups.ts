import { applyWrites, updateResources } from "../container/cgroup/apply-resources.ts";
import { createCgroup, removeCgroup } from "../container/cgroup/cgroup.ts";
import { cgroupPath } from "../container/cgroup/cgroup-path.ts";
import { resourceWrites } from "../container/cgroup/cgroup-resources.ts";
import { ContainersCgroup } from "../container/cgroup/containers-cgroup.ts";
import { DeviceFilters } from "../container/cgroup/device-filters.ts";
import { deviceRules } from "../container/cgroup/device-rules.ts";
import { limitDescendants } from "../container/cgroup/limit-descendants.ts";
import { mergeResources } from "../container/cgroup/merge-resources.ts";
import { type OomWatch, watchOom } from "../container/cgroup/oom-watch.ts";
import type { ResourcesSpec } from "../container/cgroup/resources-spec.ts";
import type { LinuxSpec } from "../container/spec.ts";
import type { Files } from "../kernel/files.ts";
import type { Kernel, KilledCgroups } from "../kernel/kernel.ts";
import { guestRules } from "./guest-rules.ts";
import type { ContainerRecord } from "./state.ts";

export interface ContainerCgroupsOptions {
  /** Where cgroup2 is mounted. */
  readonly root: string;
  /** The guest belongs to this sandbox alone, so the memory of all its containers together is limited. */
  readonly isGuest: boolean;
  /** Memory that the containers don't get, beside the guest's usual reserve. */
  readonly reservedBytes: number;
  /** Called with a container's id and its new count of OOM kills. */
  readonly onOom: (id: string, kills: number) => void;
}

/** The containers' cgroups: creates them with limits, watches them for OOM kills, removes them with their empty parents. */
export class ContainerCgroups {
  readonly #files: Files;
  readonly #killed: KilledCgroups | undefined;
  readonly #root: string;
  readonly #parent: ContainersCgroup | undefined;
  readonly #onOom: (id: string, kills: number) => void;
  readonly #filters: DeviceFilters;
  readonly #watches = new Map<string, OomWatch>();

  constructor({ files, sys, killed }: Kernel, { root, isGuest, reservedBytes, onOom }: ContainerCgroupsOptions) {
    this.#files = files;
    this.#killed = killed;
    this.#filters = new DeviceFilters(sys);
    this.#root = root;
    this.#parent = isGuest ? new ContainersCgroup(files, root, reservedBytes) : undefined;
    this.#onOom = onOom;
  }

  /** Creates the cgroup that all containers share unless it exists. */
  prepare(): void {
    this.#parent?.open();
  }

  /** Returns the directory of a container's cgroup, which needn't exist. */
  directory(id: string, linux: LinuxSpec): string {
    return `${this.#parent?.directory ?? this.#root}${cgroupPath(linux.cgroupsPath, id)}`;
  }

  /** Creates a cgroup with its limits (unless another runtime sets them) and its device filter. A failure leaves nothing behind. */
  async create(directory: string, linux: LinuxSpec, limitsByOther = false): Promise<void> {
    const rules = deviceRules(linux);
    const writes = resourceWrites(linux.resources);
    this.prepare();
    const above = this.#above(directory);
    createCgroup(this.#files, above, directory.slice(above.length));
    try {
      limitDescendants(this.#files, directory);
      if (!limitsByOther) applyWrites(this.#files, directory, writes);
      this.#filters.attach(directory, rules);
    } catch (error) {
      await removeCgroup(this.#files, above, directory).catch(() => undefined);
      throw error;
    }
  }

  /** Sets the memory limit of a new container whose spec has none. Its process exists, in whatever runtime, and waits for the start. */
  limitMemory({ cgroup, spec }: Pick<ContainerRecord, "cgroup" | "spec">): void {
    this.#parent?.limit(cgroup, spec.linux.resources, true);
  }

  /** Adjusts every limit that depends on the size of the guest's memory. */
  followMemory(records: readonly ContainerRecord[]): void {
    this.#parent?.follow(records.map(({ cgroup, spec }) => ({ cgroup, resources: spec.linux.resources })));
  }

  /**
   * Changes the limits in `asked`, whose device rules have the host's numbers, and returns the resulting resources. Everything is checked
   * before anything changes. The device filter comes last and is replaced atomically.
   */
  update({ cgroup, spec, devices = [] }: ContainerRecord, asked: ResourcesSpec): ResourcesSpec {
    const { linux } = spec;
    const given = asked.devices === undefined ? asked : { ...asked, devices: guestRules(asked.devices, devices) };
    const resources = mergeResources(linux.resources, given);
    const rules = given.devices === undefined ? undefined : deviceRules({ ...linux, resources });
    updateResources(this.#files, cgroup, given, linux.resources);
    if (given.memory !== undefined || given.unified !== undefined) this.#parent?.limit(cgroup, resources);
    if (rules !== undefined) this.#filters.replace(cgroup, rules);
    return resources;
  }

  /** Reports OOM kills beyond those in the record. Checks once more when the init process ends, before the host learns of its end. */
  watch(record: ContainerRecord, initExit: Promise<unknown>): void {
    if (!this.#files.exists(`${record.cgroup}/memory.events`)) return;
    let total = record.oomKills;
    const report = (kills: number) => {
      total += kills;
      this.#onOom(record.id, total);
    };
    const watch = watchOom(this.#files, record.cgroup, report, { seen: record.oomKills });
    this.#watches.set(record.id, watch);
    void initExit.then(watch.check);
  }

  async remove(record: ContainerRecord): Promise<void> {
    this.#watches.get(record.id)?.close();
    this.#watches.delete(record.id);
    const { cgroup } = record;
    if (this.#files.exists(cgroup)) await removeCgroup(this.#files, this.#above(cgroup), cgroup);
    this.#killed?.forget(cgroup);
  }

  /** Returns the ancestor that stays when its last container is removed: the root for cgroups that an older version created. */
  #above(cgroup: string): string {
    return this.#parent?.has(cgroup) ? this.#parent.directory : this.#root;
  }
}
