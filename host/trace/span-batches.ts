import { encodeSpans } from "../../proto/encode-spans.ts";
import type { Span } from "../../proto/span.ts";
import type { OtlpEndpoint } from "./otlp-endpoint.ts";
import { postSpans } from "./post-spans.ts";

/** Spans that wait; further ones are dropped. */
const MAX_QUEUE = 2048;
/** Milliseconds in which spans are gathered into one request. */
const FLUSH_MS = 500;

export interface SpanBatchesOptions {
  readonly endpoint: OtlpEndpoint;
  /** Name of this program. */
  readonly service: string;
  /** Version of guestd. */
  readonly version: string;
  /** Called with one line when the collector stops taking spans, once until it takes some again. */
  onFailure(line: string): void;
}

/** Sends this process's spans to a collector in batches, also before the process ends by itself. Delays no operation. */
export class SpanBatches {
  readonly #options: SpanBatchesOptions;
  #queue: Span[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> = Promise.resolve();
  #isFailing = false;

  constructor(options: SpanBatchesOptions) {
    this.#options = options;
    process.on("beforeExit", () => void (this.#queue.length > 0 && this.flush()));
  }

  add(span: Span): void {
    if (this.#queue.length >= MAX_QUEUE) return;
    this.#queue.push(span);
    this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref();
  }

  /** Resolves once the spans so far are with the collector, or dropped. Never rejects. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sending = this.#sending.then(() => this.#send());
    return this.#sending;
  }

  async #send(): Promise<void> {
    const { endpoint, service, version, onFailure } = this.#options;
    const spans = this.#queue;
    if (spans.length === 0) return;
    this.#queue = [];
    try {
      await postSpans(endpoint, encodeSpans(spans, service, version));
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) onFailure((error as Error).message);
      this.#isFailing = true;
    }
  }
}
