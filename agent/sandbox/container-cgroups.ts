import { applyResources } from "../container/apply-resources.ts";
import { createCgroup, removeCgroup } from "../container/cgroup.ts";
import { cgroupPath } from "../container/cgroup-path.ts";
import { DeviceFilters } from "../container/device-filters.ts";
import { deviceRules } from "../container/device-rules.ts";
import { type OomWatch, watchOom } from "../container/oom-watch.ts";
import type { LinuxSpec } from "../container/spec.ts";
import type { Files } from "../kernel/files.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { ContainerRecord } from "./state.ts";

/** The cgroups of the sandbox's containers: made with limits, watched for kills, removed with what is empty above. */
export class ContainerCgroups {
  readonly #files: Files;
  readonly #root: string;
  readonly #onOom: (record: ContainerRecord) => void;
  readonly #filters: DeviceFilters;
  readonly #watches = new Map<string, OomWatch>();

  /** `root` is where cgroup2 is mounted. `onOom` gets the container's record with the new count of kills. */
  constructor({ files, sys }: Kernel, root: string, onOom: (record: ContainerRecord) => void) {
    this.#files = files;
    this.#filters = new DeviceFilters(sys);
    this.#root = root;
    this.#onOom = onOom;
  }

  /** The directory that a container's cgroup is to have. */
  directory(id: string, linux: LinuxSpec): string {
    return `${this.#root}${cgroupPath(linux.cgroupsPath, id)}`;
  }

  /** Makes it, with its limits and its device filter. On failure nothing is left. */
  async create(directory: string, linux: LinuxSpec): Promise<void> {
    const rules = deviceRules(linux);
    createCgroup(this.#files, this.#root, directory.slice(this.#root.length));
    try {
      applyResources(this.#files, directory, linux.resources);
      this.#filters.attach(directory, rules);
    } catch (error) {
      await removeCgroup(this.#files, this.#root, directory).catch(() => undefined);
      throw error;
    }
  }

  /** Tells of kills beyond those in the record. A last look is taken when the init process ends, before hosts hear of it. */
  watch(record: ContainerRecord, initExit: Promise<unknown>): void {
    if (!this.#files.exists(`${record.cgroup}/memory.events`)) return;
    let current = record;
    const told = (kills: number) => {
      current = { ...current, oomKills: current.oomKills + kills };
      this.#onOom(current);
    };
    const watch = watchOom(this.#files, record.cgroup, told, { seen: record.oomKills });
    this.#watches.set(record.id, watch);
    void initExit.then(watch.check);
  }

  async remove(record: ContainerRecord): Promise<void> {
    this.#watches.get(record.id)?.close();
    this.#watches.delete(record.id);
    if (this.#files.exists(record.cgroup)) await removeCgroup(this.#files, this.#root, record.cgroup);
  }
}
