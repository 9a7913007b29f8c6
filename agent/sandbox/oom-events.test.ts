import { expect, test } from "vitest";
import { OomEvents } from "./oom-events.ts";

const never = new AbortController().signal;

test("each event goes to one waiting caller, in order", async () => {
  const events = new OomEvents();
  const asked = [events.next(never), events.next(never)];
  events.push("a");
  events.push("b");
  expect(await Promise.all(asked)).toEqual(["a", "b"]);
});

test("events without a caller are kept, up to a bound", async () => {
  const events = new OomEvents();
  for (let i = 0; i < 1100; i++) events.push(`c${i}`);
  expect(await events.next(never)).toBe("c76");
});

test("a cancelled caller takes no event", async () => {
  const events = new OomEvents();
  const gone = new AbortController();
  const first = events.next(gone.signal);
  gone.abort(new Error("deadline"));
  await expect(first).rejects.toThrow("deadline");
  events.push("a");
  expect(await events.next(never)).toBe("a");
});

test("a caller that is cancelled right after it got its event takes none from the others", async () => {
  const events = new OomEvents();
  const gone = new AbortController();
  const asked = [events.next(gone.signal), events.next(never)];
  events.push("a");
  gone.abort(new Error("deadline"));
  events.push("b");
  expect(await Promise.all(asked)).toEqual(["a", "b"]);
});

test("a caller that has already been cancelled gets no event", async () => {
  const events = new OomEvents();
  events.push("a");
  await expect(async () => events.next(AbortSignal.abort(new Error("deadline")))).rejects.toThrow("deadline");
  expect(await events.next(never)).toBe("a");
});

test("an event that did not arrive goes to a caller that waits already", async () => {
  const events = new OomEvents();
  const waiting = events.next(never);
  events.giveBack("a");
  expect(await waiting).toBe("a");
});

test("an event that did not arrive goes to the next caller, before all others", async () => {
  const events = new OomEvents();
  events.push("a");
  events.push("b");
  events.giveBack(await events.next(never));
  expect([await events.next(never), await events.next(never)]).toEqual(["a", "b"]);
});

test("closing fails waiting and later callers", async () => {
  const events = new OomEvents();
  const waiting = events.next(never);
  events.close();
  const ended = { kind: "internal", message: "get OOM event: the sandbox has ended" };
  await expect(waiting).rejects.toMatchObject(ended);
  await expect(events.next(never)).rejects.toMatchObject(ended);
});
