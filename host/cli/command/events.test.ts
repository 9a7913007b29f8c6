import { expect, test } from "vitest";
import { eventJson, textLine } from "./events.ts";

const none = { container: "", exec: "", code: 0, signal: 0, generation: 0 };
const time = new Date(0);

test.each([
  [
    { ...none, number: 3, time, type: "exec-exited", container: "web", exec: "x1", code: 137, signal: 9 },
    "3 1970-01-01T00:00:00.000Z exec exited web x1 code 137",
    { number: 3, time, kind: "exec", action: "exited", container: "web", exec: "x1", code: 137, signal: 9 },
  ],
  [
    { ...none, number: 4, time, type: "agent-restarted", generation: 2 },
    "4 1970-01-01T00:00:00.000Z agent restarted generation 2",
    { number: 4, time, kind: "agent", action: "restarted", generation: 2 },
  ],
  [
    { ...none, number: 5, time, type: "guest-resumed", epoch: 2 },
    "5 1970-01-01T00:00:00.000Z guest resumed epoch 2",
    { number: 5, time, kind: "guest", action: "resumed", epoch: 2 },
  ],
  [
    {
      ...{ ...none, number: 6, time, type: "core-dumped", container: "web", exec: "job", signal: 11 },
      core: { id: 2, size: 4096, cut: "limit" },
    },
    "6 1970-01-01T00:00:00.000Z core dumped web job id 2 signal 11 size 4096 cut limit",
    {
      ...{ number: 6, time, kind: "core", action: "dumped", container: "web", exec: "job" },
      ...{ id: 2, signal: 11, size: 4096, cut: "limit" },
    },
  ],
  [
    { type: "gap", number: 5, to: 8, reason: "too old" } as const,
    "5 gap: events up to 7 are gone: too old",
    { number: 5, kind: "gap", to: 8, reason: "too old" },
  ],
])("prints event %# as text and as JSON, on one line", (event, line, object) => {
  expect(textLine(event)).toBe(`${line}\n`);
  expect(eventJson(event)).toBe(`${JSON.stringify(object)}\n`);
});
