import { channel } from "node:diagnostics_channel";
import { setTimeout as sleep } from "node:timers/promises";
import type { Kernel, KilledCgroups } from "../../kernel/kernel.ts";
import { cgroupProcs } from "../cgroup/cgroup.ts";
import { abortHolders } from "./abort-holders.ts";

/** Publishes a line for each abort, and one if aborts fail, as on a kernel without FUSE. */
export const killedNotices = channel("guestd.killed.notice");

/** Time that killed processes get to end by themselves, and the longest between two tries, ms. */
const FIRST_MS = 1000;
const LONGEST_MS = 5000;

export interface KilledOptions {
  readonly kernel: Pick<Kernel, "sys" | "files">;
  readonly ownsKernel: boolean;
  readonly firstMs?: number;
}

/**
 * Watches the cgroups of killed containers until they are empty. A process that waits for its container's own FUSE server
 * may not end, and keep locks of others; then aborts the connections of such servers.
 */
export class KilledContainers implements KilledCgroups {
  readonly #options: KilledOptions;
  readonly #cgroups = new Set<string>();
  #isWatching = false;
  /** The last failure, which is published once. */
  #failure = "";

  constructor(options: KilledOptions) {
    this.#options = options;
  }

  watch(cgroup: string): void {
    this.#cgroups.add(cgroup);
    if (this.#isWatching) return;
    this.#isWatching = true;
    void this.#watch();
  }

  forget(cgroup: string): void {
    this.#cgroups.delete(cgroup);
  }

  async #watch(): Promise<void> {
    const { kernel, ownsKernel, firstMs = FIRST_MS } = this.#options;
    let pause = firstMs;
    while (this.#cgroups.size > 0) {
      await sleep(pause, undefined, { ref: false });
      for (const cgroup of this.#cgroups)
        if (cgroupProcs(kernel.files, cgroup).length === 0) this.#cgroups.delete(cgroup);
      // Not even a call: a slow warm-up would otherwise compile code into the image that a fast one doesn't.
      if (this.#cgroups.size === 0) break;
      const aborted = await abortHolders(kernel, [...this.#cgroups], ownsKernel).catch((error: Error) => {
        this.#reportFailure(error.message);
        return [];
      });
      if (aborted.length > 0) this.#reportAborted(aborted);
      // Those that an abort has let go may wait for the next connection.
      pause = aborted.length > 0 ? firstMs : Math.min(pause * 2, LONGEST_MS);
    }
    this.#isWatching = false;
  }

  #reportAborted(ids: readonly number[]): void {
    killedNotices.publish(`killed containers: aborted FUSE connections that held processes: ${ids.join(", ")}`);
  }

  #reportFailure(why: string): void {
    if (why === this.#failure) return;
    this.#failure = why;
    killedNotices.publish(`killed containers: FUSE connections that may hold processes can't be aborted: ${why}`);
  }
}
