import { applyResources, createCgroup, removeCgroup } from "../container/cgroup.ts";
import { cgroupPath } from "../container/cgroup-path.ts";
import { type OomWatch, watchOom } from "../container/oom-watch.ts";
import type { LinuxSpec } from "../container/spec.ts";
import type { Files } from "../kernel/files.ts";
import type { ContainerRecord } from "./state.ts";

const ROOT = "/sys/fs/cgroup";

/** The cgroups of the sandbox's containers: made with limits, watched for kills, removed with what is empty above. */
export class ContainerCgroups {
  readonly #files: Files;
  readonly #onOom: (record: ContainerRecord) => void;
  readonly #watches = new Map<string, OomWatch>();

  /** `onOom` gets the container's record with the new count of kills. */
  constructor(files: Files, onOom: (record: ContainerRecord) => void) {
    this.#files = files;
    this.#onOom = onOom;
  }

  /** The directory. On failure nothing is left. */
  async create(id: string, linux: LinuxSpec): Promise<string> {
    const directory = createCgroup(this.#files, ROOT, cgroupPath(linux.cgroupsPath, id));
    try {
      applyResources(this.#files, directory, linux.resources);
    } catch (error) {
      await removeCgroup(this.#files, ROOT, directory);
      throw error;
    }
    return directory;
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
    void initExit.then(() => watch.check());
  }

  async remove(record: ContainerRecord): Promise<void> {
    this.#watches.get(record.id)?.close();
    this.#watches.delete(record.id);
    if (this.#files.exists(record.cgroup)) await removeCgroup(this.#files, ROOT, record.cgroup);
  }
}
