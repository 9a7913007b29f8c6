import { expect, test } from "vitest";
import type { GuestEvent } from "../../client/streams/guest-event.ts";
import { newEvents } from "./new-events.ts";

function event(number: number, ms = number): GuestEvent {
  const rest = { container: "c", exec: "", code: 0, signal: 0, generation: 0 };
  return { number, time: new Date(ms), type: "container-started", ...rest };
}

const numbers = (events: ReturnType<typeof newEvents>) =>
  events.map((each) => ("to" in each ? `${each.guest} gap ${each.number}-${each.to}` : `${each.guest} ${each.number}`));

test("each event is reported once, in the order of the times of all guests", () => {
  const reached = new Map<string, number>();
  const [a, b] = [
    { name: "a", events: [event(1, 10), event(2, 30)] },
    { name: "b", events: [event(7, 20)] },
  ];
  expect(numbers(newEvents([a, b], reached))).toEqual(["a 1", "b 7", "a 2"]);
  expect(newEvents([a, b], reached)).toEqual([]);
  const more = { name: "a", events: [...a.events, event(3, 40)] };
  expect(numbers(newEvents([more, b], reached))).toEqual(["a 3"]);
});

test("events that the view has dropped before they were sent are a gap", () => {
  const reached = new Map([["a", 3]]);
  expect(numbers(newEvents([{ name: "a", events: [event(6), event(7)] }], reached))).toEqual([
    ...["a gap 3-6", "a 6", "a 7"],
  ]);
});

test("another guest of the name begins anew", () => {
  const reached = new Map([["a", 100]]);
  expect(numbers(newEvents([{ name: "a", events: [event(1)] }], reached))).toEqual(["a 1"]);
  newEvents([], reached);
  expect([...reached]).toEqual([]);
});
