import type { Duplex } from "node:stream";
import type { Span } from "../../../proto/span.ts";

/** Spans queued for the collector; further ones are dropped. */
const MAX_QUEUE = 2048;
/** Spans per message. */
const BATCH = 128;
/** Delay in which spans are gathered into one message. */
const FLUSH_MS = 500;
/** Bytes. A collector that is further behind gets nothing more. */
const MAX_BEHIND = 1 << 20;
const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 30_000;
const CLOSE_MS = 500;

export interface SpanExporterOptions {
  /** Connects to the collector. */
  connect(): Promise<Duplex>;
  encode(spans: readonly Span[]): Uint8Array;
  /** Called with one line when the collector becomes reachable or unreachable. */
  onState?(line: string): void;
  readonly firstRetryMs?: number;
}

/** Sends spans to a collector whenever one is reachable. Never delays a call: spans beyond the queue are dropped and counted. */
export class SpanExporter {
  readonly counts = { sent: 0, dropped: 0 };
  readonly #options: SpanExporterOptions;
  readonly #queue: Span[] = [];
  #collector: Duplex | undefined;
  #connecting: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #retryMs: number;
  #closed = false;
  #reported: string | undefined;

  constructor(options: SpanExporterOptions) {
    this.#options = options;
    this.#retryMs = options.firstRetryMs ?? FIRST_RETRY_MS;
  }

  add(span: Span): void {
    if (this.#closed || this.#queue.length >= MAX_QUEUE) {
      this.counts.dropped++;
      return;
    }
    this.#queue.push(span);
    if (this.#queue.length === BATCH && this.#collector !== undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
    this.#later(this.#queue.length < BATCH ? FLUSH_MS : 0);
  }

  /** Sends as many queued spans as it can within CLOSE_MS, then disconnects. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const late = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_MS).unref());
    if (this.#queue.length > 0 && this.#collector === undefined) await Promise.race([this.#connect(), late]);
    while (this.#sendBatch());
    this.counts.dropped += this.#queue.splice(0).length;
    const collector = this.#collector;
    if (collector === undefined) return;
    await Promise.race([new Promise<void>((resolve) => collector.end(resolve)), late]);
    collector.destroy();
  }

  #later(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#flush();
    }, ms).unref();
  }

  /** Sends one message per turn of the event loop. */
  #flush(): void {
    if (this.#queue.length === 0 || this.#closed) return;
    if (this.#collector === undefined) {
      void this.#connect().then(() => this.#later(this.#collector === undefined ? this.#nextRetry() : 0));
      return;
    }
    this.#later(this.#sendBatch() ? 0 : FLUSH_MS);
  }

  /** Returns false if no span is queued or the collector has no room. */
  #sendBatch(): boolean {
    const collector = this.#collector;
    if (collector === undefined || this.#queue.length === 0 || collector.writableLength > MAX_BEHIND) return false;
    const spans = this.#queue.splice(0, BATCH);
    collector.write(this.#options.encode(spans));
    this.counts.sent += spans.length;
    return true;
  }

  #connect(): Promise<void> {
    this.#connecting ??= this.#options
      .connect()
      .then(
        (collector) => this.#use(collector),
        (error: Error) => this.#report(`no trace collector: ${error.message}`),
      )
      .finally(() => {
        this.#connecting = undefined;
      });
    return this.#connecting;
  }

  #use(collector: Duplex): void {
    this.#collector = collector;
    this.#retryMs = this.#options.firstRetryMs ?? FIRST_RETRY_MS;
    this.#report("spans go to the trace collector");
    collector.on("error", () => collector.destroy());
    collector.on("end", () => collector.destroy());
    collector.on("close", () => {
      if (this.#collector === collector) this.#collector = undefined;
    });
    collector.resume();
  }

  #nextRetry(): number {
    const wait = this.#retryMs;
    this.#retryMs = Math.min(wait * 2, MAX_RETRY_MS);
    return wait;
  }

  /** Reports a line once per change. */
  #report(line: string): void {
    if (this.#reported === line) return;
    this.#reported = line;
    this.#options.onState?.(line);
  }
}
