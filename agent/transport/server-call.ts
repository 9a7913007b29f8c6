import type { CallJournal } from "../kernel/journal/call-journal.ts";
import type { Call } from "../service/dispatch.ts";
import type { BrokenEvent, CallEvent } from "./diagnostics.ts";
import { diagnostics } from "./diagnostics.ts";

/** Service and method of a call. */
export interface CallTarget {
  readonly service: string;
  readonly method: string;
}

/** State of one call on the server, for both protocols. Ends with exactly one `settle`. */
export class ServerCall implements Call {
  readonly metadata: ReadonlyMap<string, string>;
  readonly peer: string;
  readonly target: CallTarget;
  readonly place: number | undefined;
  /** True if the next agent must repeat the call to get its answer, instead of keeping the answer. */
  repeated = false;
  container: string | undefined;
  exec: string | undefined;
  readonly #journal: CallJournal | undefined;
  readonly #began = performance.now();
  /** Created when a handler uses the signal; most don't. */
  #controller: AbortController | undefined;
  #abort: { readonly reason: unknown } | undefined;
  #settled: boolean | undefined;
  #listeners: ((written: boolean) => void)[] = [];

  constructor(
    target: CallTarget,
    peer: string,
    metadata: ReadonlyMap<string, string>,
    place?: number,
    journal?: CallJournal,
  ) {
    this.#journal = journal;
    this.target = target;
    this.place = place;
    this.peer = peer;
    this.metadata = metadata;
  }

  get progress(): number {
    return this.#journal?.progress(this.place) ?? 0;
  }

  note(progress: number): void {
    this.#journal?.note(this.place, progress);
  }

  get progressMemory(): Int32Array | undefined {
    return this.#journal?.progressMemory(this.place);
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abort !== undefined) this.#controller.abort(this.#abort.reason);
    }
    return this.#controller.signal;
  }

  onSettled(listener: (written: boolean) => void): void {
    if (this.#settled === undefined) this.#listeners.push(listener);
    else this.#notify(listener, this.#settled);
  }

  /** Signals to the handler that its caller no longer waits; the first reason counts. */
  abort(reason: unknown): void {
    this.#abort ??= { reason };
    this.#controller?.abort(this.#abort.reason);
  }

  /** Records whether the handler's answer was written. Only the first call counts. */
  settle(written: boolean): void {
    if (this.#settled !== undefined) return;
    this.#settled = written;
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) this.#notify(listener, written);
  }

  /** Calls a listener. Its error affects neither the other listeners nor the connection. */
  #notify(listener: (written: boolean) => void, written: boolean): void {
    try {
      listener(written);
    } catch (error) {
      diagnostics.defect.publish({ error } satisfies BrokenEvent);
    }
  }

  /** Publishes how the call ended. */
  report(code: number | undefined, error?: unknown): void {
    if (!diagnostics.call.hasSubscribers) return;
    const { peer, container, exec } = this;
    const { service, method } = this.target;
    const traceparent = this.metadata.get("traceparent");
    const ms = performance.now() - this.#began;
    const event: CallEvent = { peer, service, method, container, exec, code, ms, traceparent, error };
    diagnostics.call.publish(event);
  }
}
