import { closeSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { yieldToEventLoop } from "../../../lib/yield-to-event-loop.ts";
import { MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID } from "../../kernel/constants.ts";
import type { Fd, Sys } from "../../kernel/kernel.ts";

/** Most connections that are held at once: each costs a descriptor, and containers can have thousands. */
const MAX_HELD = 256;

/** The kernel's FUSE connections, virtio-fs shares among them, in a mount of fusectl that only this process can reach. */
export class FuseConnections {
  readonly #sys: Pick<Sys, "close">;
  readonly #mount: Fd;
  /** Open `abort` files by id. */
  readonly #aborts = new Map<number, Fd>();

  /** Throws ENODEV if the kernel has no FUSE. */
  constructor(sys: Pick<Sys, "detachedMount" | "close">) {
    this.#sys = sys;
    this.#mount = sys.detachedMount("fusectl", [], MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  }

  /** Resolves with the ids of the connections with requests that have no answer yet. */
  async waiting(): Promise<number[]> {
    const ids: number[] = [];
    const pause = yieldToEventLoop();
    for (const name of readdirSync(this.#path(""))) {
      await pause();
      if (this.#isWaiting(name)) ids.push(Number(name));
    }
    return ids;
  }

  /** Holds the first of these connections, so that `abort` ends none that gets the id of one later. Returns the held ones. */
  hold(ids: readonly number[]): number[] {
    return ids.slice(0, MAX_HELD).filter((id) => {
      try {
        this.#aborts.set(id, openSync(this.#path(`${id}/abort`), "w"));
        return true;
      } catch {
        return false; // it has just ended
      }
    });
  }

  /** Ends a held connection: its requests fail, and its file system with them. */
  abort(id: number): void {
    const fd = this.#aborts.get(id);
    if (fd !== undefined) writeSync(fd, "1");
  }

  [Symbol.dispose](): void {
    for (const fd of this.#aborts.values()) closeSync(fd);
    this.#sys.close(this.#mount);
  }

  #isWaiting(name: string): boolean {
    try {
      return Number(readFileSync(this.#path(`${name}/waiting`), "utf8")) > 0;
    } catch {
      return false; // it has just ended
    }
  }

  #path(name: string): string {
    return `/proc/self/fd/${this.#mount}/${name}`;
  }
}
