import type { Fd, Kernel } from "../../kernel/kernel.ts";
import { openRoot } from "../files-in-root.ts";
import { deviceFilter } from "./device-filter.ts";
import { allowsAll, type DeviceRule } from "./device-rules.ts";

/** Programs that are kept loaded: pods have few kinds of containers. */
const MAX_LOADED = 16;

/** Attaches device filters to cgroups. A program is loaded once for the same rules, and shared by their cgroups. */
export class DeviceFilters {
  readonly #sys: Kernel["sys"];
  /** By the rules, oldest use first. */
  readonly #loaded = new Map<string, Fd>();

  constructor(sys: Kernel["sys"]) {
    this.#sys = sys;
  }

  /** To a new cgroup; nothing to do when all is allowed. It goes with its cgroup. */
  attach(directory: string, rules: readonly DeviceRule[]): void {
    if (!allowsAll(rules))
      this.#onCgroup(directory, (cgroup) => this.#sys.attachDeviceFilter(cgroup, this.#load(rules)));
  }

  /** In place of the one that it has, at once: no moment is without a filter. */
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
