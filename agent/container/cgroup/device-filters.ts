import type { Fd, Kernel } from "../../kernel/kernel.ts";
import { openRoot } from "../files-in-root.ts";
import { deviceFilter } from "./device-filter.ts";
import { allowsAll, type DeviceRule } from "./device-rules.ts";

/** Maximum number of programs kept loaded: pods have few kinds of containers. */
const MAX_LOADED = 16;

/**
 * Attaches device filters to cgroups. A program is loaded once for each set of rules and shared by the cgroups that use
 * it.
 */
export class DeviceFilters {
  readonly #sys: Kernel["sys"];
  /** Loaded programs by their rules, least recently used first. */
  readonly #loaded = new Map<string, Fd>();

  constructor(sys: Kernel["sys"]) {
    this.#sys = sys;
  }

  /** Attaches a filter to a new cgroup, unless the rules allow everything. The kernel removes it with the cgroup. */
  attach(directory: string, rules: readonly DeviceRule[]): void {
    if (!allowsAll(rules))
      this.#onCgroup(directory, (cgroup) => this.#sys.attachDeviceFilter(cgroup, this.#load(rules)));
  }

  /** Replaces the cgroup's filter atomically: the cgroup is never without a filter. */
  replace(directory: string, rules: readonly DeviceRule[]): void {
    this.#onCgroup(directory, (cgroup) => {
      const old = this.#sys.attachedDeviceFilter(cgroup);
      try {
        if (old !== undefined) this.#sys.replaceDeviceFilter(cgroup, this.#load(rules), old);
        else if (!allowsAll(rules)) this.#sys.attachDeviceFilter(cgroup, this.#load(rules));
      } finally {
        if (old !== undefined) this.#sys.close(old);
      }
    });
  }

  #load(rules: readonly DeviceRule[]): Fd {
    const key = JSON.stringify(rules);
    const program = this.#loaded.get(key) ?? this.#sys.loadDeviceFilter(deviceFilter(rules));
    this.#loaded.delete(key);
    this.#loaded.set(key, program);
    const [oldest] = this.#loaded;
    if (this.#loaded.size > MAX_LOADED && oldest !== undefined) {
      this.#loaded.delete(oldest[0]);
      this.#sys.close(oldest[1]);
    }
    return program;
  }

  #onCgroup(directory: string, work: (cgroup: Fd) => void): void {
    const cgroup = openRoot(directory);
    try {
      work(cgroup);
    } finally {
      this.#sys.close(cgroup);
    }
  }
}
