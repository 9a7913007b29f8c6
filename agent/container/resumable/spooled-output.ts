import { setTimeout as sleep } from "node:timers/promises";
import { AgentError, SystemError } from "../../kernel/error.ts";
import { waitUntil } from "../../kernel/wait/wait-until.ts";
import type { OutputStream } from "../process/output-stream.ts";
import type { AttachedOutput, OutputWatcher } from "./attached-output.ts";
import type { ResumableParts } from "./resumable-output.ts";
import type { SpoolFile } from "./spool-file.ts";
import type { SpoolTimes } from "./spool-times.ts";

/** Output is taken once in so many ms, a pipe's worth at a time: some 60 MB/s, so a chatty process can't occupy the agent. */
const PACE_MS = 1;
/** Between attempts while the guest has no memory for the file: until then the output stays in the process's pipe. */
const AGAIN_MS = 1000;

/**
 * One output of a process that goes to a file (RING, SPOOL), also while no client is attached. The process never waits, and
 * the oldest bytes are dropped; unless the output is held for its client, for which it then waits.
 */
export class SpooledOutput implements AttachedOutput {
  readonly #parts: ResumableParts;
  readonly #stream: 0 | 1;
  readonly #source: OutputStream | undefined;
  readonly #file: SpoolFile;
  readonly #times: SpoolTimes | undefined;
  readonly #closed = new AbortController();
  #watchers: readonly OutputWatcher[] = [];
  /** Resolved whenever there is more to read, or more room. */
  #changed = Promise.withResolvers<void>();
  #ended = false;
  /** Resolves once no more output is taken. */
  readonly #taking: Promise<void>;

  /** Owns the files. Without a source nothing follows. */
  constructor(
    parts: ResumableParts,
    stream: 0 | 1,
    source: OutputStream | undefined,
    file: SpoolFile,
    times: SpoolTimes | undefined,
  ) {
    this.#parts = parts;
    this.#stream = stream;
    this.#source = source;
    this.#file = file;
    this.#times = times;
    this.#taking = this.#takeAll();
  }

  get mode() {
    return this.#parts.ledger.mode(this.#parts.place);
  }

  get keepBytes(): number {
    return this.#parts.ledger.capacity(this.#parts.place, this.#stream);
  }

  get gapReason(): string {
    return `only the last ${this.keepBytes} bytes are kept`;
  }

  get base(): number {
    return this.#parts.ledger.base(this.#parts.place, this.#stream);
  }

  get end(): number {
    return this.#parts.ledger.end(this.#parts.place, this.#stream);
  }

  get acked(): number {
    return this.#parts.ledger.acked(this.#parts.place, this.#stream);
  }

  get printed(): number {
    return this.end + (this.#source?.waiting ?? 0);
  }

  acknowledge(offset: number): void {
    const { acked, end } = this;
    if (offset > end) {
      throw new AgentError("invalid-argument", `acknowledge byte ${offset}: only ${end} bytes were sent`);
    }
    if (offset <= acked) return;
    this.#parts.ledger.setAcked(this.#parts.place, this.#stream, offset);
    this.wake();
  }

  available(offset: number): number {
    return this.end - offset;
  }

  isOver(offset: number): boolean {
    return this.#ended && offset >= this.end;
  }

  copy(offset: number, most: number, room?: number): Buffer {
    return this.#file.read(offset % this.keepBytes, most, room);
  }

  watch(watcher: OutputWatcher): void {
    this.#watchers = [...this.#watchers, watcher];
  }

  unwatch(watcher: OutputWatcher): void {
    this.#watchers = this.#watchers.filter((each) => each !== watcher);
  }

  since(ms: number): number {
    return Math.max(this.#times?.since(ms) ?? this.end, this.base);
  }

  timeAt(offset: number): { readonly ms: number; readonly to: number } | undefined {
    return this.#times?.at(offset);
  }

  observe(): () => void {
    return () => undefined; // a file serves any number of readers
  }

  /** Looks again at everything that may have changed: positions, and whether the output is held. */
  wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
    for (const each of this.#watchers) each.pump();
  }

  /** Takes what the process has printed before its pipe is closed, as far as there is room. */
  takeRest(): void {
    this.#source?.drain((fd, room) => this.#take(fd, Math.min(room, this.#room)));
  }

  /** Stops taking output; it can still be read. Resolves once the source is free. */
  stop(): Promise<void> {
    this.#closed.abort(new AgentError("not-found", "attach: the process was removed"));
    this.#ended = true;
    this.wake();
    return this.#taking;
  }

  finish(): void {
    // It ends by itself.
  }

  close(): void {
    void this.stop();
    this.#file.close();
    this.#times?.close();
  }

  /** Bytes that may be taken now: without limit unless the output is held. */
  get #room(): number {
    const { acked, base, end, keepBytes, mode } = this;
    return mode.isHeld ? Math.max(acked, base) + keepBytes - end : keepBytes;
  }

  async #takeAll(): Promise<void> {
    const { signal } = this.#closed;
    while (this.#source !== undefined && !signal.aborted) {
      try {
        if (await this.#takeNext(this.#source, signal)) break;
      } catch (error) {
        // It was stopped, or the process was removed; or the kernel is short of something, which may pass.
        if (!(error instanceof SystemError)) break;
        await sleep(AGAIN_MS, undefined, { ref: false });
      }
    }
    this.#ended = true;
    this.wake();
  }

  /** Resolves once more output was taken, or may be; with true at the end of the output. */
  async #takeNext(source: OutputStream, signal: AbortSignal): Promise<boolean> {
    if (this.#room <= 0) await waitUntil(this.#changed.promise, signal);
    else if (!this.#hasMemory()) await sleep(AGAIN_MS, undefined, { signal, ref: false });
    else if ((await source.take((fd, room) => this.#take(fd, room), this.#room, signal)) === 0) return true;
    else await sleep(PACE_MS, undefined, { signal });
    return false;
  }

  #take(from: number, room: number): number {
    if (room <= 0 || !this.#hasMemory()) return -1;
    const { ledger, mover, place } = this.#parts;
    const { end } = this;
    const taken = mover.store(place, this.#stream, from, room, this.#file);
    if (taken <= 0) return taken;
    const first = this.#times?.note(end, Date.now()) ?? 0;
    if (first > this.base) ledger.setBase(place, this.#stream, first);
    this.wake();
    return taken;
  }

  /** Allocates the next part of the file. If the memory is short, the file stays as small as it is. */
  #hasMemory(): boolean {
    const { end, keepBytes } = this;
    const capacity = this.#file.grow(end, keepBytes);
    if (capacity > 0 && capacity < keepBytes) this.#parts.ledger.setCapacity(this.#parts.place, this.#stream, capacity);
    return capacity > 0;
  }
}
