import type { GuestNode } from "../../engine/tree/view-tree.ts";
import type { SentEvent, SentGap } from "../protocol/events.ts";
import { isEvent, sentEvent } from "./sent-event.ts";

const REASON = "the server keeps the last 200 events of each guest";

/**
 * Returns the events of the guests that are not returned before, in the order of their times. `reached` has the next number of
 * each guest, and is updated. Numbers that are missing in between are gaps.
 */
export function newEvents(
  guests: readonly Pick<GuestNode, "name" | "events">[],
  reached: Map<string, number>,
): (SentEvent | SentGap)[] {
  const found: { readonly event: SentEvent | SentGap; readonly ms: number }[] = [];
  for (const name of reached.keys()) if (!guests.some((guest) => guest.name === name)) reached.delete(name);
  for (const { name, events } of guests) {
    const first = reached.get(name);
    let next = first ?? events[0]?.number ?? 1;
    // A guest that took the name of another one counts from 1 again.
    if ((events.at(-1)?.number ?? next) + 1 < next) next = events[0]?.number ?? 1;
    let ms = 0;
    for (const event of events) {
      if (isEvent(event)) ms = event.time.getTime();
      if (event.number < next) continue;
      if (event.number > next) {
        found.push({ event: { guest: name, type: "gap", number: next, to: event.number, reason: REASON }, ms });
      }
      found.push({ event: sentEvent(name, event), ms });
      next = isEvent(event) ? event.number + 1 : event.to;
    }
    reached.set(name, next);
  }
  return found.toSorted((a, b) => a.ms - b.ms).map(({ event }) => event);
}
