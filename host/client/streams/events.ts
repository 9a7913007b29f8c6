import type { StreamFrame } from "../../../proto/stream-frame.ts";
import { truncate } from "../../visible.ts";
import { answers, requests } from "../edge/stream-messages.ts";
import { EVENT_TYPES } from "../edge/values.ts";
import { RpcError } from "../rpc-error.ts";
import { type FollowOptions, followFrames, type Lost } from "./follow-frames.ts";
import type { EventGap, GuestEvent } from "./guest-event.ts";

const NAMES = new Map(
  Object.entries(EVENT_TYPES).map(([name, type]) => [Number(type), name.toLowerCase().replaceAll("_", "-")]),
);

export interface EventsOptions extends FollowOptions {
  /** Number of the first event. Default: the next one that happens. */
  readonly since?: number | undefined;
  /** First words of types: container, exec, oom, agent, core, guest. Default: all. */
  readonly kinds?: readonly string[];
  readonly container?: string | undefined;
  /** Ends with the last event so far. */
  readonly end?: boolean;
}

interface Position {
  epoch: Uint8Array;
  /** Number of the next event. */
  next: number | undefined;
}

/**
 * Yields the events of a guest, each once and in order, over any number of connections. `address` is that of
 * guestd.v1.Streams. Throws RpcError if the agent refuses, or if no connection to it succeeds.
 */
export async function* readEvents(
  address: string,
  { since, kinds = [], container = "", end = false, ...options }: EventsOptions = {},
): AsyncGenerator<GuestEvent | EventGap, void> {
  const position: Position = { epoch: new Uint8Array(), next: since };
  const fixed = { version: 1, kinds: [...kinds], container_id: container, end };
  const followed = {
    name: () => (position.next === undefined ? "events" : `events from ${position.next} on`),
    type: "events",
    request: () => requests.events.encode({ ...fixed, epoch: position.epoch, since: position.next }),
  } as const;
  for await (const frame of followFrames(address, followed, options)) {
    if (frame.type === "eventsEnd") return;
    const event = take(frame, position);
    if (event !== undefined) yield event;
  }
}

/** Moves the position, and returns the event of a frame. */
function take(frame: StreamFrame | Lost, position: Position): GuestEvent | EventGap | undefined {
  if (frame.type === "lost") return undefined;
  const { type, offset, payload } = frame;
  switch (type) {
    case "eventsStart": {
      const { epoch, next } = answers.eventsStart.decode(payload);
      position.epoch = epoch;
      position.next ??= next;
      return undefined;
    }
    case "event": {
      const event = answers.event.decode(payload);
      const { container_id: container, exec_id: exec, code, signal, generation } = event;
      if (offset < (position.next ?? 0))
        throw new RpcError("internal", `events: the agent sent event ${offset} out of order`);
      const time = new Date(event.ms);
      position.next = offset + 1;
      const type = NAMES.get(event.type) ?? `unknown-${event.type}`;
      const { core_id: id, core_size: size, core_cut: cut } = event;
      const core = id === 0 ? {} : { core: { id, size, cut } };
      const clone = event.guest_epoch === 0 ? {} : { epoch: event.guest_epoch };
      return { number: offset, time, type, container, exec, code, signal, generation, ...clone, ...core };
    }
    case "eventsGap": {
      const { to, reason } = answers.gap.decode(payload);
      position.next = to;
      return { type: "gap", number: offset, to, reason: truncate(reason) };
    }
    default:
      return undefined;
  }
}
