import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { codec } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { EventRing, KEPT_EVENTS } from "../../kernel/journal/event-ring.ts";
import { Events } from "./events.ts";

const { v1 } = guestd;
const request = codec("guestd.v1.EventsRequest", v1.EventsRequest);
const event = codec("guestd.v1.Event", v1.Event);
const gap = codec("guestd.v1.Gap", v1.Gap);
const EPOCH = Uint8Array.of(1, 2);
const policy = { check: () => undefined } as never;

let directory: string;
let ring: EventRing;
let events: Events;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "events-"));
  ring = new EventRing(join(directory, "events"));
  events = new Events({ policy }, ring, () => EPOCH);
});
afterEach(() => {
  ring.close();
  rmSync(directory, { recursive: true });
});

const open = (fields: object) => events.open(request.encode({ version: 1, ...fields }));
const { signal } = new AbortController();

test("tells a client that is behind which events are gone, and continues with the oldest one", async () => {
  for (let n = 1; n <= KEPT_EVENTS + 10; n++) events.add({ type: "container-created", container: `c${n}` }, n);
  const { next } = open({ since: 3 });
  const first = await next(signal);
  expect(first).toMatchObject({ kind: "gap", number: 3 });
  expect("payload" in first && gap.decode(first.payload)).toMatchObject({ to: 11 });
  const second = await next(signal);
  expect(second).toMatchObject({ kind: "event", number: 11 });
  expect("payload" in second && event.decode(second.payload)).toMatchObject({ ms: 11, container_id: "c11" });
  for (let n = 0; n < 20; n++) events.add({ type: "oom-killed", container: "c" }, n);
  expect(await next(signal)).toMatchObject({ kind: "gap", number: 12 });
});

test("filters by kind and container, waits for the next event, and ends if asked to", async () => {
  const { next } = open({ kinds: ["exec"], container_id: "web" });
  const waiting = next(signal);
  events.add({ type: "exec-started", container: "other", exec: "x" }, 1);
  events.add({ type: "container-created", container: "web" }, 2);
  events.add({ type: "exec-started", container: "web", exec: "x" }, 3);
  expect(await waiting).toMatchObject({ kind: "event", number: 3 });
  expect(await open({ since: 1, end: true, kinds: ["agent"] }).next(signal)).toEqual({ kind: "end", number: 4 });
  const abort = new AbortController();
  const cut = next(abort.signal);
  abort.abort(new Error("closed"));
  await expect(cut).rejects.toThrow("closed");
});

test("has room for the longest ids", () => {
  const event = {
    type: "exec-exited",
    container: "c".repeat(200),
    exec: "é".repeat(128),
    code: 255,
    signal: 64,
  } as const;
  expect(() => events.add(event, Date.now())).not.toThrow();
});

test("refuses in one line what it can't serve", () => {
  expect(() => open({ version: 0 })).toThrow("events: the request has no version; set 1");
  expect(() => open({ epoch: Uint8Array.of(9) })).toThrow("events: the guest was started again since");
  expect(() => open({ kinds: ["x\n"] })).toThrow(String.raw`events: "x\n" is no kind of event; known are`);
  expect(() => events.open(Uint8Array.of(0xff))).toThrow(expect.objectContaining({ kind: "invalid-argument" }));
});

test("knows whether the event of a clone's epoch is kept", async () => {
  expect(await events.hasResumed(2)).toBe(false);
  events.add({ type: "guest-resumed", epoch: 2 }, 1);
  events.add({ type: "container-created", container: "web" }, 2);
  expect([await events.hasResumed(2), await events.hasResumed(1)]).toEqual([true, false]);
  const { next } = open({ since: 1, kinds: ["guest"] });
  const first = await next(signal);
  expect("payload" in first && event.decode(first.payload)).toMatchObject({ guest_epoch: 2 });
});
