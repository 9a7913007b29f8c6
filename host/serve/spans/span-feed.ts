import type { Target } from "../../engine/guest/guest-target.ts";
import { oneLine } from "../../operation-error.ts";
import { type ReceivedSpans, receiveSpans } from "../../trace/receive-spans.ts";
import type { CallSpan } from "../protocol/calls.ts";
import { callSpans } from "./call-spans.ts";

/** Spans that a page gets when it opens the calls of a guest that another page shows already. */
const KEPT_SPANS = 500;

export interface SpanListener {
  spans(spans: readonly CallSpan[]): void;
  /** Takes one line: how spans arrive, or why not. */
  source(line: string, isReceiving: boolean): void;
}

/** The spans of one guest's agent, received while a page shows them. */
class GuestSpans {
  readonly #listeners = new Set<SpanListener>();
  readonly #received: Promise<ReceivedSpans | undefined>;
  #kept: CallSpan[] = [];
  #source: readonly [line: string, isReceiving: boolean];

  constructor(name: string, { address }: Target) {
    this.#source = ["waiting for spans: the agent sends them if it traces its calls (--agent trace=true)", true];
    const take = (message: Uint8Array) => this.#take(callSpans(message));
    const fail = (line: string) => this.#report(line, true);
    this.#received = receiveSpans(address, name, take, fail).catch((error: unknown) => {
      const isTaken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
      const why = isTaken ? "another program receives them, such as guestctl traces" : oneLine(error);
      this.#report(`no spans: ${why}`, false);
      return undefined;
    });
  }

  add(listener: SpanListener): void {
    this.#listeners.add(listener);
    listener.source(...this.#source);
    if (this.#kept.length > 0) listener.spans(this.#kept);
  }

  /** Returns true if no page shows them any more. */
  remove(listener: SpanListener): boolean {
    this.#listeners.delete(listener);
    return this.#listeners.size === 0;
  }

  close(): void {
    void this.#received.then((received) => received?.close());
  }

  #take(spans: readonly CallSpan[]): void {
    this.#kept = [...this.#kept, ...spans].slice(-KEPT_SPANS);
    for (const listener of this.#listeners) listener.spans(spans);
  }

  #report(line: string, isReceiving: boolean): void {
    this.#source = [line, isReceiving];
    for (const listener of this.#listeners) listener.source(line, isReceiving);
  }
}

/** Spans of the agents whose calls pages show. An agent has one receiver, so pages share it. */
export class SpanFeed {
  readonly #guests = new Map<string, GuestSpans>();

  /** Reports spans until the returned function is called. */
  listen(name: string, target: Target, listener: SpanListener): () => void {
    const guest = this.#guests.get(target.address) ?? new GuestSpans(name, target);
    this.#guests.set(target.address, guest);
    guest.add(listener);
    return () => {
      if (!guest.remove(listener)) return;
      this.#guests.delete(target.address);
      guest.close();
    };
  }
}
