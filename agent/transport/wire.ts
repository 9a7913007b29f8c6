import { SystemError } from "../kernel/error.ts";
import type { CallJournal } from "../kernel/journal/call-journal.ts";
import type { Fd, Sys } from "../kernel/kernel.ts";
import { type BrokenEvent, diagnostics } from "./diagnostics.ts";
import { nextBatch } from "./next-batch.ts";

/** What connections ask of `openSys()`. */
export type WireSys = Pick<Sys, "read" | "write" | "poll" | "close" | "setNonBlocking"> & {
  receive: (fd: Fd, region: Uint8Array) => number;
  send: (fd: Fd, region: Uint8Array, length: number) => number;
  watch(fd: Fd, onReady: () => void, onLost: (error: unknown) => void): () => void;
  endConnection(fd: Fd): void;
};

/** Whoever takes the bytes of a wire. */
export interface WireReader {
  /** The bytes are gone when this returns. */
  onBytes(bytes: Buffer): void;
  /** Once: the peer has ended its side, or the connection is broken or destroyed. */
  onClosed(): void;
}

/** An answer on its way. */
export interface Sending {
  /** Whole frames. */
  readonly bytes: Uint8Array;
  /** Where the journal has its call. */
  readonly place: number | undefined;
  /** The journal keeps it while it waits; else the call is made again by the next agent. */
  readonly keep: boolean;
  readonly done: (written: boolean) => void;
}

/**
 * The bytes of one accepted connection, read and written so that the journal knows of every byte: libuv's streams would read
 * and write behind its back. Owns the descriptor.
 */
export class Wire {
  readonly #sys: WireSys;
  readonly #journal: CallJournal;
  readonly #fd: Fd;
  reader: WireReader;
  #index: number | undefined;
  #unwatch: (() => void) | undefined;
  #sending: Sending[] = [];
  /** Bytes of the first that are written. */
  #begun = 0;
  #unwritten = 0;
  #scheduled = false;
  #waiting = false;
  #closed = false;
  #drained: (() => void)[] = [];

  constructor(sys: WireSys, journal: CallJournal, fd: Fd, reader: WireReader) {
    this.#sys = sys;
    this.#journal = journal;
    this.#fd = fd;
    this.reader = reader;
    try {
      sys.setNonBlocking(fd);
      this.resume();
    } catch (error) {
      this.#break(error);
    }
  }

  /** Place of the connection in the journal; undefined: it ends with the agent. */
  get index(): number | undefined {
    return this.#index;
  }

  /** Has its place from now on. `begun`: bytes of the first answer that an agent before has written. */
  keep(index: number | undefined, begun = 0): void {
    this.#index = index;
    this.#begun = begun;
  }

  get fd(): Fd {
    return this.#fd;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes that wait to be written. */
  get unwritten(): number {
    return this.#unwritten;
  }

  get paused(): boolean {
    return this.#unwatch === undefined;
  }

  pause(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  /** A connection that can't be watched is closed. */
  resume(): void {
    if (this.#closed) return;
    try {
      this.#unwatch ??= this.#sys.watch(
        this.#fd,
        () => this.#read(),
        (error) => this.#break(error),
      );
    } catch (error) {
      this.#break(error);
    }
  }

  /** Writes a whole frame. Those of one turn of the event loop leave together. */
  write(sending: Sending): void {
    if (this.#closed) {
      this.#drop([sending]);
      return;
    }
    this.#sending.push(sending);
    this.#unwritten += sending.bytes.length;
    if (this.#waiting) this.#keep([sending]);
    else if (!this.#scheduled) {
      this.#scheduled = true;
      process.nextTick(() => this.#flushOrBreak());
    }
  }

  /** Calls back when nothing waits to be written any more, or at once. */
  onDrained(drained: () => void): void {
    if (this.#sending.length === 0 || this.#closed) drained();
    else this.#drained.push(drained);
  }

  /** Gives the descriptor up without closing it, before anything was written. */
  release(): Fd {
    this.pause();
    this.#closed = true;
    return this.#fd;
  }

  /** Closes what can't go on, and says why. */
  #break(error: unknown): void {
    if (this.#closed) return;
    diagnostics.broken.publish({ error } satisfies BrokenEvent);
    this.destroy();
  }

  /** Closes now. Idempotent. */
  destroy(): void {
    if (this.#closed) return;
    this.pause();
    this.#closed = true;
    if (this.#index !== undefined) this.#sys.endConnection(this.#fd); // init has a copy
    this.#sys.close(this.#fd);
    const sending = this.#sending;
    this.#sending = [];
    this.#drop(sending);
    this.#tellDrained();
    this.reader.onClosed();
  }

  #drop(sending: readonly Sending[]): void {
    for (const { place, done } of sending) {
      done(false);
      if (this.#index !== undefined) this.#journal.closeCall(this.#index, place);
    }
  }

  #keep(sending: readonly Sending[]): void {
    for (const { keep, place, bytes } of sending) if (keep) this.#journal.keepAnswer(place, bytes);
  }

  #tellDrained(): void {
    for (const drained of this.#drained.splice(0)) drained();
  }

  #read(): void {
    const { count, bytes } = this.#journal.read(this.#index, (region) => this.#receive(region));
    if (count > 0) this.reader.onBytes(bytes);
    else if (count === 0) this.destroy();
  }

  #receive(region: Uint8Array): number {
    try {
      return this.#sys.receive(this.#fd, region);
    } catch (error) {
      if (error instanceof SystemError) return 0; // ECONNRESET: the peer is gone
      throw error;
    }
  }

  #flushOrBreak(): void {
    try {
      this.#flush();
    } catch (error) {
      this.#break(error);
    }
  }

  #flush(): void {
    this.#scheduled = false;
    while (!this.#closed && this.#sending.length > 0) {
      const batch = nextBatch(this.#sending, (sending) => sending.bytes);
      let [count, total] = [0, 0];
      try {
        [count, total] = this.#journal.write(this.#index, batch, this.#begun, (region, length) =>
          Math.max(this.#sys.send(this.#fd, region, length), 0),
        );
      } catch {
        this.destroy(); // EPIPE
        return;
      }
      this.#account(count, batch);
      if (count < total) {
        if (!this.#closed) void this.#waitForRoom();
        return;
      }
    }
    this.#tellDrained();
  }

  /** Takes what was written from the queue, and tells those whose answers went. */
  #account(count: number, batch: readonly Sending[]): void {
    let rest = this.#begun + count;
    let sent = 0;
    for (const { bytes } of batch) {
      if (rest < bytes.length) break;
      rest -= bytes.length;
      sent++;
    }
    this.#begun = rest;
    this.#unwritten -= count;
    this.#sending = this.#sending.slice(sent);
    const written = sent === batch.length ? batch : batch.slice(0, sent);
    if (this.#index !== undefined) for (const { place } of written) this.#journal.closeCall(this.#index, place);
    for (const { done } of written) done(true);
    if (this.#index !== undefined)
      this.#journal.writeDone(this.#index, sent === batch.length ? [] : batch.slice(sent), rest);
  }

  async #waitForRoom(): Promise<void> {
    this.#waiting = true;
    this.#keep(this.#sending);
    try {
      await this.#sys.poll(this.#fd, "write");
    } catch (error) {
      this.#break(error); // without effect when it was closed while it waited
      return;
    }
    this.#waiting = false;
    this.#flushOrBreak();
  }
}
