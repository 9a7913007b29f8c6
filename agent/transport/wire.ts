import { SystemError } from "../kernel/error.ts";
import type { CallJournal } from "../kernel/journal/call-journal.ts";
import type { Fd, Sys } from "../kernel/kernel.ts";
import { type BrokenEvent, diagnostics } from "./diagnostics.ts";
import { nextBatch } from "./next-batch.ts";

/** The part of `openSys()` that connections need. */
export type WireSys = Pick<Sys, "read" | "write" | "poll" | "close" | "setNonBlocking"> & {
  receive: (fd: Fd, region: Uint8Array) => number;
  send: (fd: Fd, region: Uint8Array, length: number) => number;
  watch(fd: Fd, onReady: () => void, onLost: (error: unknown) => void): () => void;
  endConnection(fd: Fd): void;
};

/** Receiver of a wire's bytes. */
export interface WireReader {
  /** Called with bytes that are valid until it returns. */
  onBytes(bytes: Buffer): void;
  /** Called once: the peer ended its side, or the connection broke or was destroyed. */
  onClosed(): void;
}

/** An answer being sent. */
export interface Sending {
  /** Whole frames. */
  readonly bytes: Uint8Array;
  /** Place of its call in the journal. */
  readonly place: number | undefined;
  /** True if the journal keeps the answer while it waits; otherwise the next agent repeats the call. */
  readonly keep: boolean;
  readonly done: (written: boolean) => void;
}

/**
 * Reads and writes one accepted connection through the journal, so that it knows of every byte; libuv's streams would bypass it.
 * Owns the descriptor.
 */
export class Wire {
  readonly #sys: WireSys;
  readonly #journal: CallJournal;
  readonly #fd: Fd;
  reader: WireReader;
  #index: number | undefined;
  #unwatch: (() => void) | undefined;
  #sending: Sending[] = [];
  /** Bytes of the first answer that are already written. */
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

  /** Place of the connection in the journal; undefined if it ends with the agent. */
  get index(): number | undefined {
    return this.#index;
  }

  /** Sets the place in the journal. `begun` is the number of bytes of the first answer that the previous agent wrote. */
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

  /** Bytes waiting to be written. */
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

  /** Resumes reading; closes a connection that can't be watched. */
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

  /** Writes a whole frame. All frames of one turn of the event loop are sent together. */
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

  /** Calls back once nothing waits to be written, or at once. */
  onDrained(drained: () => void): void {
    if (this.#sending.length === 0 || this.#closed) drained();
    else this.#drained.push(drained);
  }

  /** Releases the descriptor without closing it; only allowed before anything was written. */
  release(): Fd {
    this.pause();
    this.#closed = true;
    return this.#fd;
  }

  /** Closes a connection after an error, and publishes the error. */
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
    if (this.#index !== undefined) this.#sys.endConnection(this.#fd); // closing alone isn't enough: init has a copy
    this.#sys.close(this.#fd);
    const sending = this.#sending;
    this.#sending = [];
    this.#drop(sending);
    this.#notifyDrained();
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

  #notifyDrained(): void {
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
    this.#notifyDrained();
  }

  /** Removes written answers from the queue and calls their `done`. */
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
      this.#break(error); // without effect if it was closed while it waited
      return;
    }
    this.#waiting = false;
    this.#flushOrBreak();
  }
}
