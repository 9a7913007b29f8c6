import type { EventGap, GuestEvent } from "../../client/streams/guest-event.ts";
import type { SentEvent, SentGap } from "../protocol/events.ts";

/** Returns an event as a page gets it. */
export function sentEvent(guest: string, event: GuestEvent | EventGap): SentEvent | SentGap {
  if (!isEvent(event)) return { guest, ...event };
  const { number, time, type, container, exec, code, signal, generation } = event;
  return { guest, number, time: time.toISOString(), type, container, exec, code, signal, generation };
}

export function isEvent(event: GuestEvent | EventGap): event is GuestEvent {
  return event.type !== "gap";
}
