import { setTimeout as sleep } from "node:timers/promises";
import { yieldToEventLoop } from "../../../lib/yield-to-event-loop.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { readEvents } from "../../client/streams/events.ts";
import type { EventGap, GuestEvent } from "../../client/streams/guest-event.ts";
import { readWatch } from "../../client/streams/watch.ts";
import { oneLine } from "../../operation-error.ts";
import { connectTo, type Target, unusedGuest } from "../guest/guest-target.ts";
import { streamsPlace } from "../guest/streams-place.ts";
import { type ProcessRecord, restOf } from "../record/state-records.ts";
import { GuestModel } from "./guest-model.ts";
import type { LinkState } from "./guest-tree.ts";
import { type GuestNode, guestNode } from "./view-tree.ts";
import { watchByCalls } from "./watch-by-calls.ts";

/** Events of a guest that are kept for the view. */
const KEPT_EVENTS = 200;
const RETRY_MS = 1000;
const EVENTS_RETRY_MS = 10_000;

export interface GuestLinkOptions {
  readonly intervalMs: number;
  /** Returns how many entries the guest may have in the view. */
  share(): number;
  /** Returns the records of the guest's processes. */
  processes(): readonly ProcessRecord[];
  /** Called when something has changed. */
  onChange(): void;
}

/** Follows one guest: its usage by one stream, its events by another. Connects again until it is closed. */
export class GuestLink {
  readonly target: Target;
  /** The same agent, at an address that doesn't count as use. */
  readonly #watched: Target;
  readonly #options: GuestLinkOptions;
  readonly #closing = new AbortController();
  readonly #model: GuestModel;
  readonly #events: (GuestEvent | EventGap)[] = [];
  /** True once the agent has served the stream. */
  #hasStream = false;
  #link: LinkState = "connecting";
  #reason: string | undefined;

  constructor(target: Target, options: GuestLinkOptions) {
    const { guest } = target;
    this.target = target;
    const watched = guest && unusedGuest(guest);
    this.#watched = watched === undefined ? target : { guest: watched, address: watched.address };
    this.#options = options;
    this.#model = new GuestModel(() => options.share());
    void this.#follow(() => this.#watch());
    void this.#follow(() => this.#readEvents());
  }

  /** True once the guest has answered, or has failed to. */
  get isSettled(): boolean {
    return this.#link !== "connecting";
  }

  node(): GuestNode {
    const { guest, address } = this.target;
    return guestNode({
      record: guest ?? { name: address, address },
      link: this.#link,
      reason: this.#reason,
      model: this.#model,
      processes: this.#options.processes(),
      events: this.#events,
    });
  }

  /** Drops what is over the guest's share. */
  trim(): void {
    this.#model.trim();
  }

  /** Idempotent. */
  close(): void {
    this.#closing.abort();
  }

  /** Repeats `work` until this is closed; a failure is shown meanwhile. */
  async #follow(work: () => Promise<void>): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await work().catch((error: unknown) => {
        const rest = this.target.guest && restOf(this.target.guest);
        if (!signal.aborted) this.#set("lost", rest ?? oneLine(error));
      });
      await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #watch(): Promise<void> {
    const place = streamsPlace(this.#watched);
    const { intervalMs } = this.#options;
    const yieldNow = yieldToEventLoop(); // an agent may send updates without end
    try {
      for await (const message of readWatch(place.address, { ...place, intervalMs, signal: this.#closing.signal })) {
        await yieldNow();
        if (message.type === "lost") {
          this.#set("lost", message.reason);
          continue;
        }
        this.#model.apply(message.update);
        this.#hasStream = true;
        if (!message.update.more) this.#set("live");
      }
    } catch (error) {
      // Another agent has no such port, or doesn't know the frame.
      if (error instanceof RpcError && !["unreachable", "invalid-argument"].includes(error.kind)) throw error;
      if (this.#hasStream) throw error;
      await this.#poll();
    }
  }

  async #poll(): Promise<void> {
    const { signal } = this.#closing;
    await using client = await connectTo(this.#watched, { signal });
    const containers = () => [...new Set(this.#options.processes().map(({ container }) => container))];
    for await (const update of watchByCalls(client, containers, { intervalMs: this.#options.intervalMs, signal })) {
      this.#model.apply(update);
      this.#set("polled");
    }
  }

  async #readEvents(): Promise<void> {
    const place = streamsPlace(this.#watched);
    const { signal } = this.#closing;
    try {
      const last = this.#events.at(-1);
      const since = last === undefined ? 1 : last.number + 1;
      for await (const event of readEvents(place.address, { ...place, since, signal })) {
        this.#events.push(event);
        if (this.#events.length > KEPT_EVENTS) this.#events.splice(0, this.#events.length - KEPT_EVENTS);
        this.#options.onChange();
      }
    } catch {
      // Another agent has no events. If this one is away, the other stream tells.
      await sleep(EVENTS_RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #set(link: LinkState, reason?: string): void {
    this.#link = link;
    this.#reason = reason;
    this.#options.onChange();
  }
}
