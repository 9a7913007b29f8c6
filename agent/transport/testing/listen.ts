import type { Channel } from "node:diagnostics_channel";
import { onTestFinished } from "vitest";

/** Collects what a channel publishes until the end of the test. */
export function listen<Event>(channel: Channel): Event[] {
  const events: Event[] = [];
  const add = (event: unknown) => void events.push(event as Event);
  channel.subscribe(add);
  onTestFinished(() => void channel.unsubscribe(add));
  return events;
}
