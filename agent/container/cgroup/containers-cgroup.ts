import type { Files } from "../../kernel/files.ts";
import { createCgroup } from "./cgroup.ts";
import { cgroupNotices } from "./cgroup-notices.ts";
import { type MemoryBounds, memoryBounds } from "./memory-bounds.ts";
import type { ResourcesSpec } from "./resources-spec.ts";

const PATH = "/containers";

/**
 * The cgroup of a guest that has those of all containers below it. Its memory limit leaves the rest of the guest enough, whatever
 * containers do: the kernel's OOM killer then looks for a victim among the containers alone, and the guest lives where it finds none.
 */
export class ContainersCgroup {
  readonly directory: string;
  readonly #files: Files;
  readonly #root: string;
  #isOpen = false;
  /** Undefined before it is open, and where there is no memory controller: no container has a limit then. */
  #bounds: MemoryBounds | undefined;

  /** `root` is where cgroup2 is mounted. */
  constructor(files: Files, root: string) {
    this.#files = files;
    this.#root = root;
    this.directory = `${root}${PATH}`;
  }

  /** Makes it with its limit, the first time. Throws one line when it can't be made; a guest may lack the memory controller. */
  open(): void {
    if (this.#isOpen) return;
    if (!this.#files.exists(this.directory)) createCgroup(this.#files, this.#root, PATH);
    this.#limitAll();
    // What a container's own protect is no more than its parent's do.
    if (this.#bounds !== undefined) {
      for (const file of ["memory.low", "memory.min"]) this.#write(this.directory, file, "max");
    }
    this.#isOpen = true;
  }

  /** Has the limits follow the guest's memory, which has grown or shrunk. */
  follow(containers: Iterable<{ readonly cgroup: string; readonly resources: ResourcesSpec }>): void {
    this.#limitAll();
    for (const { cgroup, resources } of containers) this.limit(cgroup, resources);
  }

  /**
   * Sets the limit of a container whose spec has none; one that an older version made elsewhere keeps what it has. A new one uses
   * less than that.
   */
  limit(cgroup: string, resources: ResourcesSpec, isNew = false): void {
    if (this.#bounds === undefined || !this.has(cgroup) || hasMemoryLimit(resources)) return;
    this.#write(cgroup, "memory.max", String(Math.max(this.#bounds.one, isNew ? 0 : this.#inUse(cgroup))));
  }

  has(cgroup: string): boolean {
    return cgroup.startsWith(`${this.directory}/`);
  }

  #limitAll(): void {
    if (!this.#files.exists(`${this.directory}/memory.max`)) return;
    const [, kib] = /^MemTotal: +(\d+) kB$/m.exec(this.#files.readText("/proc/meminfo")) ?? [];
    if (kib === undefined) return;
    this.#bounds = memoryBounds(Number(kib) * 1024);
    this.#write(this.directory, "memory.max", String(Math.max(this.#bounds.all, this.#inUse(this.directory))));
  }

  /** The kernel kills for a limit that is lowered to less than that. */
  #inUse(directory: string): number {
    try {
      return Number(this.#files.readText(`${directory}/memory.current`));
    } catch {
      return 0;
    }
  }

  #write(directory: string, file: string, value: string): void {
    const path = `${directory}/${file}`;
    try {
      this.#files.writeText(path, value);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      cgroupNotices.publish(`write ${path} "${value}": ${code ?? message}; it stays as it was`);
    }
  }
}

/** The resources of a spec, or those after an update. */
function hasMemoryLimit({ memory, unified }: ResourcesSpec): boolean {
  const own = unified?.["memory.max"];
  return (memory?.limit ?? 0) > 0 || (own !== undefined && own !== "max");
}
