import type { Files } from "../../kernel/files.ts";
import { createCgroup } from "./cgroup.ts";
import { cgroupNotices } from "./cgroup-notices.ts";
import { type MemoryBounds, memoryBounds } from "./memory-bounds.ts";
import type { ResourcesSpec } from "./resources-spec.ts";

const PATH = "/containers";

/**
 * The guest's cgroup that holds those of all containers. Its memory limit reserves enough for the rest of the guest,
 * whatever containers do: the kernel's OOM killer then looks for a victim among the containers only, and the guest
 * survives if it finds none.
 */
export class ContainersCgroup {
  readonly directory: string;
  readonly #files: Files;
  readonly #root: string;
  readonly #reserved: number;
  #isOpen = false;
  /** Undefined until it is open, and without a memory controller; no container then has a limit. */
  #bounds: MemoryBounds | undefined;

  /** `root` is where cgroup2 is mounted; `reserved` are bytes for the rest of the guest beside its usual reserve. */
  constructor(files: Files, root: string, reserved = 0) {
    this.#files = files;
    this.#root = root;
    this.#reserved = reserved;
    this.directory = `${root}${PATH}`;
  }

  /**
   * Creates it with its limit on the first call. Throws one line if creation fails; the memory controller may be
   * missing.
   */
  open(): void {
    if (this.#isOpen) return;
    if (!this.#files.exists(this.directory)) createCgroup(this.#files, this.#root, PATH);
    this.#limitAll();
    // Protection of a container's cgroup counts only up to its parent's.
    if (this.#bounds !== undefined) {
      for (const file of ["memory.low", "memory.min"]) this.#write(this.directory, file, "max");
    }
    this.#isOpen = true;
  }

  /** Adjusts the limits after the guest's memory grew or shrank. */
  follow(containers: Iterable<{ readonly cgroup: string; readonly resources: ResourcesSpec }>): void {
    this.#limitAll();
    for (const { cgroup, resources } of containers) this.limit(cgroup, resources);
  }

  /**
   * Sets the limit of a container whose spec has none. A cgroup that an older version created elsewhere keeps its
   * limit. `isNew`: skips reading the current usage, which is below the limit in a new cgroup.
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
    this.#bounds = memoryBounds(Number(kib) * 1024, this.#reserved);
    this.#write(this.directory, "memory.max", String(Math.max(this.#bounds.all, this.#inUse(this.directory))));
  }

  /** Current usage in bytes; lowering a limit below it makes the kernel kill processes. */
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
      cgroupNotices.publish(`write ${path} "${value}": ${code ?? message}; the old value stays`);
    }
  }
}

/** True if the resources, of the spec or after an update, limit memory. */
function hasMemoryLimit({ memory, unified }: ResourcesSpec): boolean {
  const own = unified?.["memory.max"];
  return (memory?.limit ?? 0) > 0 || (own !== undefined && own !== "max");
}
