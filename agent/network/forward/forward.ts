import { AgentError } from "../../kernel/error.ts";
import type { Fd } from "../../kernel/kernel.ts";
import { depositName, type ForwardBase, type ForwardFds, type ForwardRole } from "./forward-parts.ts";
import { Pump } from "./pump.ts";

/** Pause before looking again at an announcement that has arrived in part. */
const PART_MS = 50;

const GONE = new AgentError("canceled", "forward: the client is gone");

export interface ForwardOwner {
  onClosed(): void;
  /** Throws once the connection isn't allowed any more. */
  checkAgain(): void;
}

/**
 * A forwarded connection. Each direction ends on its own: its source announces how many bytes it has sent, so a connection
 * that broke never looks like one that ended. All of it is in init and in the ledger, for the next agent.
 */
export class Forward {
  readonly place: number;
  readonly id: string;
  readonly #base: ForwardBase;
  readonly #fds: { [role in ForwardRole]?: Fd };
  readonly #owner: ForwardOwner;
  readonly #up: Pump | undefined;
  readonly #down: Pump | undefined;
  /** Bytes that the client has announced. */
  #total: number | undefined;
  #closed = false;

  /** Owns the descriptors, which init already keeps. A direction without a pipe has ended. */
  constructor(base: ForwardBase, place: number, id: string, fds: ForwardFds, owner: ForwardOwner) {
    this.#base = base;
    this.place = place;
    this.id = id;
    this.#fds = { ...fds };
    this.#owner = owner;
    if (fds.up !== undefined) this.#up = new Pump(base, place, 0, fds.up);
    if (fds.down !== undefined) this.#down = new Pump(base, place, 1, fds.down);
  }

  /** Moves both directions to their ends. */
  start(): void {
    const { upload, download, target } = this.#fds;
    if (upload === undefined || download === undefined) return;
    const parts = [this.#runUp(upload, target)];
    if (target !== undefined) parts.push(this.#runDown(target, download, upload));
    for (const part of parts) part.catch((error: unknown) => this.#fail(error));
    if (this.#up !== undefined) this.#readAnnouncement(download).catch((error: unknown) => this.#fail(error));
  }

  /** Ends the connection with the reason if it isn't allowed any more. */
  checkAgain(): void {
    try {
      this.#owner.checkAgain();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Ends the connection: the target gets a reset unless both directions had ended. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { sys } = this.#base;
    const { target, download } = this.#fds;
    if (target !== undefined) sys.resetOnClose(target);
    this.#up?.stop();
    this.#down?.stop();
    // Unread bytes would turn the end of a unix socket into a reset.
    if (download !== undefined) this.#tolerate(() => sys.read(download, new Uint8Array(64)));
    for (const role of Object.keys(this.#fds) as ForwardRole[]) this.#drop(role);
    this.#owner.onClosed();
  }

  async #runUp(upload: Fd, target: Fd | undefined): Promise<void> {
    const { sys } = this.#base;
    if (this.#up !== undefined && target !== undefined) {
      const up = this.#up;
      await up.run(upload, target);
      if (this.#closed) return;
      if (this.#total === undefined) this.#peekAnnouncement();
      if (up.moved !== this.#total) throw up.sourceEnded ? GONE : tooMany(up.moved);
      sys.endWriting(target);
      this.#ended("up");
    }
    await sys.poll(upload, "read"); // nothing may follow but the end
    if (!this.#closed) throw GONE;
  }

  async #runDown(target: Fd, download: Fd, upload: Fd): Promise<void> {
    if (this.#down === undefined) return;
    await this.#down.run(target, download);
    if (this.#closed) return;
    const { sys, protocol } = this.#base;
    const announcement = protocol.finish(this.#down.moved);
    while (sys.write(upload, announcement) < 0) {
      await sys.poll(upload, "write");
      if (this.#closed) return;
    }
    this.#ended("down");
  }

  async #readAnnouncement(download: Fd): Promise<void> {
    while (!this.#closed) {
      await this.#base.sys.poll(download, "read");
      if (this.#closed) return;
      this.#peekAnnouncement();
      if (this.#total !== undefined) return this.#up?.endAt(this.#total);
      await new Promise((resolve) => setTimeout(resolve, PART_MS));
    }
  }

  /** Reads the client's announcement without consuming it: it must still be there for the next agent. */
  #peekAnnouncement(): void {
    const { sys, protocol } = this.#base;
    const { download } = this.#fds;
    if (download === undefined) return;
    const bytes = new Uint8Array(64);
    const count = sys.peek(download, bytes);
    if (count === 0) throw GONE;
    if (count > 0) this.#total = protocol.readFinish(bytes.subarray(0, count));
  }

  /** Drops the pipe of a direction, which tells the next agent that it has ended, and after both the target. */
  #ended(role: "up" | "down"): void {
    this.#drop(role);
    if (this.#fds.up === undefined && this.#fds.down === undefined) this.#drop("target");
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    const { upload } = this.#fds;
    const { sys, protocol } = this.#base;
    if (upload !== undefined && error !== GONE) this.#tolerate(() => sys.write(upload, protocol.failure(error)));
    this.close();
  }

  #drop(role: ForwardRole): void {
    const { sys, init } = this.#base;
    const fd = this.#fds[role];
    if (fd === undefined) return;
    delete this.#fds[role];
    if (role === "upload" || role === "download") sys.endConnection(fd);
    sys.close(fd);
    init.withdraw(depositName(this.place, this.id, role));
  }

  #tolerate(call: () => unknown): void {
    try {
      call();
    } catch {
      // The client is gone.
    }
  }
}

const tooMany = (moved: number) =>
  new AgentError("invalid-argument", `forward: the client announced an end before ${moved} bytes that it has sent`);
