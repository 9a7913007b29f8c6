import { yieldToEventLoop } from "../../../lib/yield-to-event-loop.ts";
import { codec, DecodeError } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { AgentError } from "../../kernel/error.ts";
import type { EventRing } from "../../kernel/journal/event-ring.ts";
import type { LifecycleEvent } from "../../kernel/lifecycle.ts";
import type { Agent } from "../rpc.ts";
import type { FoundContainer } from "./found-containers.ts";
import { missingEvents } from "./missing-events.ts";

const { EventType } = guestd.v1;
const TYPES: Readonly<Record<LifecycleEvent["type"], number>> = {
  "container-created": EventType.CONTAINER_CREATED,
  "container-started": EventType.CONTAINER_STARTED,
  "container-exited": EventType.CONTAINER_EXITED,
  "container-removed": EventType.CONTAINER_REMOVED,
  "exec-started": EventType.EXEC_STARTED,
  "exec-exited": EventType.EXEC_EXITED,
  "oom-killed": EventType.OOM_KILLED,
  "agent-restarted": EventType.AGENT_RESTARTED,
  "core-dumped": EventType.CORE_DUMPED,
  "guest-resumed": EventType.GUEST_RESUMED,
};
const NAMES = new Map(Object.entries(TYPES).map(([name, type]) => [type, name as LifecycleEvent["type"]]));
const KINDS = [...new Set(Object.keys(TYPES).map(kindOf))];

const eventMessage = codec("guestd.v1.Event", guestd.v1.Event);
const requestMessage = codec("guestd.v1.EventsRequest", guestd.v1.EventsRequest);
const startMessage = codec("guestd.v1.EventsStart", guestd.v1.EventsStart);
const gapMessage = codec("guestd.v1.Gap", guestd.v1.Gap);

/** A client's next frame. */
export type NextEvent =
  | { readonly kind: "event" | "gap"; readonly number: number; readonly payload: Uint8Array }
  | { readonly kind: "end"; readonly number: number };

/** The events of this boot, and the clients that read them. */
export class Events {
  readonly #ring: EventRing;
  readonly #agent: Pick<Agent, "policy">;
  readonly #epoch: () => Uint8Array;
  #added = Promise.withResolvers<void>();

  constructor(agent: Pick<Agent, "policy">, ring: EventRing, epoch: () => Uint8Array) {
    this.#agent = agent;
    this.#ring = ring;
    this.#epoch = epoch;
  }

  /** Adds an event that happened at a time, in ms. Throws if no memory is left for it. */
  add(event: LifecycleEvent, ms: number): void {
    const { type, container: container_id = "", exec: exec_id = "", code = 0, signal = 0, generation = 0 } = event;
    const { epoch: guest_epoch = 0 } = event;
    const { id: core_id = 0, size: core_size = 0, cut: core_cut = "" } = event.core ?? {};
    const core = { core_id, core_size, core_cut };
    const fields = { ms, type: TYPES[type], container_id, exec_id, code, signal, generation, guest_epoch, ...core };
    this.#ring.append(eventMessage.encode(fields));
    const { resolve } = this.#added;
    this.#added = Promise.withResolvers();
    resolve();
  }

  /** Adds what the last agent didn't report of the containers that this agent has found, and of those that are gone. */
  async addMissing(found: readonly FoundContainer[], ms: number): Promise<void> {
    const kept: LifecycleEvent[] = [];
    const pause = yieldToEventLoop();
    for (let number = this.#ring.first; number <= this.#ring.last; number++) {
      const event = this.#read(number);
      if (event !== undefined) kept.push(event);
      await pause();
    }
    for (const event of missingEvents(kept, found)) this.add(event, ms);
  }

  /** True if the event of a clone's epoch is kept. */
  async hasResumed(epoch: number): Promise<boolean> {
    const pause = yieldToEventLoop();
    for (let number = this.#ring.last; number >= this.#ring.first; number--) {
      const payload = this.#ring.read(number);
      if (payload !== undefined && eventMessage.decode(payload).guest_epoch === epoch) return true;
      await pause();
    }
    return false;
  }

  /** Returns the ids of the core dumps whose events are kept. */
  async reportedCores(): Promise<ReadonlySet<number>> {
    const ids = new Set<number>();
    const pause = yieldToEventLoop();
    for (let number = this.#ring.first; number <= this.#ring.last; number++) {
      const payload = this.#ring.read(number);
      if (payload !== undefined) ids.add(eventMessage.decode(payload).core_id);
      await pause();
    }
    return ids;
  }

  /** Begins a client's reading. Throws AgentError for a bad request, or if the policy denies it. */
  open(payload: Uint8Array): {
    readonly start: Uint8Array;
    readonly next: (signal: AbortSignal) => Promise<NextEvent>;
  } {
    const request = decode(payload);
    const epoch = this.#epoch();
    if (request.version < 1) throw new AgentError("invalid-argument", "events: the request has no version; set 1");
    if (request.epoch.length > 0 && !Buffer.from(request.epoch).equals(epoch)) {
      throw new AgentError("not-found", "events: the guest was started again since, so its earlier events are gone");
    }
    const unknown = request.kinds.find((kind) => !KINDS.includes(kind));
    if (unknown !== undefined) {
      const why = `${JSON.stringify(unknown.slice(0, 80))} is no kind of event; known are ${KINDS.join(", ")}`;
      throw new AgentError("invalid-argument", `events: ${why}`);
    }
    this.checkPolicy(payload);
    const { first, last } = this.#ring;
    const { kinds, container_id, end, since } = request;
    const reading = { kinds, container_id, end, at: Math.max(1, since ?? last + 1) };
    return {
      start: startMessage.encode({ version: 1, epoch, first, next: last + 1 }),
      next: (signal) => this.#next(reading, signal),
    };
  }

  /** Throws AgentError if the policy denies a request. */
  checkPolicy(payload: Uint8Array): void {
    this.#agent.policy.check("Events", "EventsRequest", decode(payload));
  }

  async #next(reading: Reading, signal: AbortSignal): Promise<NextEvent> {
    for (;;) {
      signal.throwIfAborted();
      const { first, last } = this.#ring;
      const { at } = reading;
      if (at < first) {
        reading.at = first;
        const reason = "the agent keeps the last 4096 events";
        return { kind: "gap", number: at, payload: gapMessage.encode({ to: first, reason }) };
      }
      if (at <= last) {
        reading.at = at + 1;
        const payload = this.#ring.read(at);
        if (payload !== undefined && isWanted(eventMessage.decode(payload), reading)) {
          return { kind: "event", number: at, payload };
        }
      } else if (reading.end) return { kind: "end", number: last + 1 };
      else await unlessAborted(this.#added.promise, signal);
    }
  }

  #read(number: number): LifecycleEvent | undefined {
    const payload = this.#ring.read(number);
    if (payload === undefined) return undefined;
    const { type: code, container_id: container, exec_id: exec } = eventMessage.decode(payload);
    const type = NAMES.get(code);
    return type && { type, container, exec };
  }
}

interface Reading extends Pick<guestd.v1.EventsRequest, "kinds" | "container_id" | "end"> {
  /** Number of the next event. */
  at: number;
}

function isWanted({ type, container_id }: guestd.v1.Event, { kinds, container_id: wanted }: Reading): boolean {
  if (wanted !== "" && wanted !== container_id) return false;
  return kinds.length === 0 || kinds.includes(kindOf(NAMES.get(type) ?? ""));
}

function kindOf(name: string): string {
  return name.slice(0, name.indexOf("-"));
}

function decode(payload: Uint8Array): guestd.v1.EventsRequest {
  try {
    return requestMessage.decode(payload);
  } catch (error) {
    if (error instanceof DecodeError) throw new AgentError("invalid-argument", error.message, { cause: error });
    throw error;
  }
}

/** Resolves like `promise`, or as soon as the signal aborts. Leaves no listener behind. */
async function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  const abort = () => resolve();
  signal.addEventListener("abort", abort, { once: true });
  await Promise.race([promise, aborted]);
  signal.removeEventListener("abort", abort);
}
