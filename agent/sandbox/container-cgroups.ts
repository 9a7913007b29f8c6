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
import type { Kernel } from "../kernel/kernel.ts";
import { guestRules } from "./guest-rules.ts";
import type { ContainerRecord } from "./state.ts";

export interface ContainerCgroupsOptions {
  /** Where cgroup2 is mounted. */
  readonly root: string;
  /** The guest is the sandbox's own: what its containers use together is limited. */
  readonly isGuest: boolean;
  /** Gets a container's id and the new count of its kills. */
  readonly onOom: (id: string, kills: number) => void;
}

/** The cgroups of the sandbox's containers: made with limits, watched for kills, removed with what is empty above. */
export class ContainerCgroups {
  readonly #files: Files;
  readonly #root: string;
  readonly #parent: ContainersCgroup | undefined;
  readonly #onOom: (id: string, kills: number) => void;
  readonly #filters: DeviceFilters;
  readonly #watches = new Map<string, OomWatch>();

  constructor({ files, sys }: Kernel, { root, isGuest, onOom }: ContainerCgroupsOptions) {
    this.#files = files;
    this.#filters = new DeviceFilters(sys);
    this.#root = root;
    this.#parent = isGuest ? new ContainersCgroup(files, root) : undefined;
    this.#onOom = onOom;
  }

  /** Makes what all containers share, if it isn't there. */
  prepare(): void {
    this.#parent?.open();
  }

  /** The directory that a container's cgroup is to have. */
  directory(id: string, linux: LinuxSpec): string {
    return `${this.#parent?.directory ?? this.#root}${cgroupPath(linux.cgroupsPath, id)}`;
  }

  /** Makes it, with its limits, unless somebody else sets them, and its device filter. On failure nothing is left. */
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

  /** Sets the memory limit of a new container whose spec has none. Its process exists, whoever made it, and waits for the start. */
  limitMemory({ cgroup, spec }: Pick<ContainerRecord, "cgroup" | "spec">): void {
    this.#parent?.limit(cgroup, spec.linux.resources, true);
  }

  /** Has all limits that depend on it follow the size of the guest's memory. */
  followMemory(records: readonly ContainerRecord[]): void {
    this.#parent?.follow(records.map(({ cgroup, spec }) => ({ cgroup, resources: spec.linux.resources })));
  }

  /**
   * Changes what `asked` gives, in the host's numbers of devices, all of it checked before anything is changed; gives what holds then. The device filter
   * comes last, and is replaced at once.
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

  /** Tells of kills beyond those in the record. A last look is taken when the init process ends, before hosts hear of it. */
  watch(record: ContainerRecord, initExit: Promise<unknown>): void {
    if (!this.#files.exists(`${record.cgroup}/memory.events`)) return;
    let total = record.oomKills;
    const told = (kills: number) => {
      total += kills;
      this.#onOom(record.id, total);
    };
    const watch = watchOom(this.#files, record.cgroup, told, { seen: record.oomKills });
    this.#watches.set(record.id, watch);
    void initExit.then(watch.check);
  }

  async remove(record: ContainerRecord): Promise<void> {
    this.#watches.get(record.id)?.close();
    this.#watches.delete(record.id);
    const { cgroup } = record;
    if (this.#files.exists(cgroup)) await removeCgroup(this.#files, this.#above(cgroup), cgroup);
  }

  /** What stays when the last container below it is removed. One that an older version made is directly below the root. */
  #above(cgroup: string): string {
    return this.#parent?.has(cgroup) ? this.#parent.directory : this.#root;
  }
}
