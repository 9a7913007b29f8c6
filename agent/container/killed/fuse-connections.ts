import { closeSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID } from "../../kernel/constants.ts";
import type { Fd, Sys } from "../../kernel/kernel.ts";

/** The kernel's FUSE connections, virtio-fs shares among them, in a mount of fusectl that only this process can reach. */
export class FuseConnections {
  readonly #sys: Pick<Sys, "close">;
  readonly #mount: Fd;
  /** Open `abort` files by id. Each stays its connection's, although the kernel uses ids again. */
  readonly #aborts = new Map<number, Fd>();

  /** Throws ENODEV if the kernel has no FUSE. */
  constructor(sys: Pick<Sys, "detachedMount" | "close">) {
    this.#sys = sys;
    this.#mount = sys.detachedMount("fusectl", [], MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  }

  /** Returns the ids of the connections with requests that have no answer yet. */
  waiting(): number[] {
    return readdirSync(this.#path(""))
      .map(Number)
      .filter((id) => this.isWaiting(id));
  }

  isWaiting(id: number): boolean {
    try {
      if (!this.#aborts.has(id)) this.#aborts.set(id, openSync(this.#path(`${id}/abort`), "w"));
      return Number(readFileSync(this.#path(`${id}/waiting`), "utf8")) > 0;
    } catch {
      return false; // it has just ended
    }
  }

  /** Ends a connection that `waiting` returned: its requests fail, and its file system with them. */
  abort(id: number): void {
    const fd = this.#aborts.get(id);
    if (fd !== undefined) writeSync(fd, "1");
  }

  [Symbol.dispose](): void {
    for (const fd of this.#aborts.values()) closeSync(fd);
    this.#sys.close(this.#mount);
  }

  #path(name: string): string {
    return `/proc/self/fd/${this.#mount}/${name}`;
  }
}
