import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { SystemError } from "../kernel/error.ts";
import { createJournalMemory, journalIn } from "../kernel/journal/journal.ts";
import { type BrokenEvent, diagnostics } from "./diagnostics.ts";
import { listen } from "./testing/listen.ts";
import { createWireDouble } from "./testing/wire-double.ts";
import { Wire, type WireSys } from "./wire.ts";

const FD = 7;
const failure = new SystemError("epoll_ctl", 28, "fd 7");

/** A wire, what its reader has seen, and the errors that were published. */
function makeWire(parts: Partial<WireSys> = {}) {
  const sys = createWireDouble(parts);
  const memory = createJournalMemory();
  const { calls: journal } = journalIn(memory);
  const seen: string[] = [];
  const reader = {
    onBytes: (bytes: Buffer) => void seen.push(bytes.toString("latin1")),
    onClosed: () => void seen.push("closed"),
  };
  const broken = listen<BrokenEvent>(diagnostics.broken);
  const wire = new Wire(sys, journal, FD, reader);
  /** Writes a text; its result is seen as "text: written". */
  const write = (text: string, keep = true, place?: number) => {
    const done = (written: boolean) => void seen.push(`${text}: ${written ? "written" : "dropped"}`);
    wire.write({ bytes: Buffer.from(text), place, keep, done });
  };
  return { sys, memory, journal, seen, broken, wire, write };
}

test("bytes go to the reader, and end of file closes the connection once", () => {
  const { sys, seen, wire, broken } = makeWire();
  sys.arrives("one");
  sys.arrives("two");
  expect([seen.splice(0), wire.closed, wire.paused]).toEqual([["one", "two"], false, false]);
  sys.arrives("");
  wire.destroy();
  wire.resume();
  expect([seen, wire.closed, wire.paused, broken]).toEqual([["closed"], true, true, []]);
  expect(sys.calls).toEqual(["watch 7", "unwatch 7", "close 7"]);
});

test("a wake-up without bytes changes nothing", () => {
  const { sys, seen, wire } = makeWire({ receive: () => -1 });
  sys.arrives("x");
  expect([seen, wire.closed]).toEqual([[], false]);
});

test("a connection whose peer is gone closes without an error, and other errors go to the watch", () => {
  const { sys, seen, broken } = makeWire();
  expect(() => sys.arrives(new TypeError("a bug"))).toThrow("a bug");
  expect(seen).toEqual([]);
  sys.arrives(new SystemError("recvmmsg", 104, "fd 7"));
  expect([seen, broken]).toEqual([["closed"], []]);
});

test.each([
  ["made non-blocking", "setNonBlocking"],
  ["watched", "watch"],
])("a connection that can't be %s is closed, and the error is published", (_, call) => {
  const fail = () => {
    throw failure;
  };
  const { sys, seen, broken, wire } = makeWire({ [call]: fail });
  expect([wire.closed, seen, broken]).toEqual([true, ["closed"], [{ error: failure }]]);
  expect(sys.calls).toEqual(["close 7"]);
});

test("a connection whose watch is lost is closed, and the error is published once", () => {
  const { sys, seen, broken } = makeWire();
  sys.lose(failure);
  sys.lose(failure);
  expect([seen, broken]).toEqual([["closed"], [{ error: failure }]]);
});

test("a connection that can't be watched again after a pause is closed", () => {
  let left = 1;
  const { sys, seen, wire, broken } = makeWire({
    watch: () => {
      if (left-- === 0) throw failure;
      return () => undefined;
    },
  });
  wire.pause();
  expect(wire.paused).toBe(true);
  wire.resume();
  expect([seen, broken, sys.calls]).toEqual([["closed"], [{ error: failure }], ["close 7"]]);
});

test("a paused connection reads nothing, and resuming twice watches once", () => {
  const { sys, seen, wire } = makeWire();
  wire.pause();
  sys.arrives("lost");
  wire.resume();
  wire.resume();
  sys.arrives("read");
  expect([seen, sys.calls]).toEqual([["read"], ["watch 7", "unwatch 7", "watch 7"]]);
});

test("answers of one turn are sent together, and are written once the kernel has them", async () => {
  const { sys, seen, wire, write } = makeWire();
  write("one");
  write("two");
  expect([wire.unwritten, seen]).toEqual([6, []]);
  wire.onDrained(() => seen.push("drained"));
  await turn();
  expect(sys.calls.slice(1)).toEqual(["send 7 onetwo"]);
  expect([wire.unwritten, seen]).toEqual([0, ["one: written", "two: written", "drained"]]);
  wire.onDrained(() => seen.push("drained at once"));
  expect(seen.at(-1)).toBe("drained at once");
  write("three");
  await turn();
  expect(sys.calls.at(-1)).toBe("send 7 three");
});

test("answers that the socket has no room for are sent from where it stopped once it has", async () => {
  const { sys, seen, wire, write } = makeWire();
  sys.room.push(5, -1);
  write("one");
  write("two");
  await turn();
  expect([seen, wire.unwritten, sys.calls.slice(1)]).toEqual([["one: written"], 1, ["send 7 onetw", "poll 7"]]);
  write("three");
  await turn();
  expect([wire.unwritten, sys.calls.length]).toEqual([6, 3]);
  sys.polled[0]?.resolve();
  await turn();
  expect([seen, sys.calls.at(-1)]).toEqual([["one: written"], "poll 7"]);
  sys.polled[1]?.resolve();
  await turn();
  expect([seen.slice(1), sys.calls.at(-1), wire.unwritten]).toEqual([
    ["two: written", "three: written"],
    "send 7 othree",
    0,
  ]);
});

test("the next agent finds answers that wait for room, unless it repeats their calls", async () => {
  const { sys, memory, journal, wire, write } = makeWire();
  const { index = -1 } = journal.openConnection(undefined) ?? {};
  wire.keep(index);
  const places = [1, 3, 5, 7].map((id) => journal.openCall(index, id, Buffer.from(`request ${id}`), 0));
  sys.room.push(0);
  write("kept", true, places[0]);
  write("repeated", false, places[1]);
  await turn();
  // These come while the connection waits.
  write("late", true, places[2]);
  write("again", false, places[3]);
  const [found] = journalIn(memory.slice(0)).calls.found;
  expect(found?.calls.map(({ answered, body }) => [answered, String(body)])).toEqual([
    [true, "kept"],
    [false, "request 3"],
    [true, "late"],
    [false, "request 7"],
  ]);
  sys.polled[0]?.resolve();
  await turn();
  expect(journalIn(memory.slice(0)).calls.found[0]?.calls).toEqual([]);
});

test.each(["sending", "waiting for room"])("a connection that fails while %s drops its answers", async (when) => {
  const { sys, memory, journal, seen, wire, write, broken } = makeWire();
  const { index = -1 } = journal.openConnection(undefined) ?? {};
  wire.keep(index);
  const place = journal.openCall(index, 1, Buffer.from("request"), 0);
  sys.room.push(when === "sending" ? new SystemError("sendmmsg", 32, "fd 7") : 2);
  write("answer", true, place);
  wire.onDrained(() => seen.push("drained"));
  await turn();
  sys.polled[0]?.reject(failure);
  await turn();
  expect(seen).toEqual(["answer: dropped", "drained", "closed"]);
  expect(broken).toEqual(when === "sending" ? [] : [{ error: failure }]);
  expect(sys.calls.slice(-2)).toEqual(["end 7", "close 7"]);
  expect(journalIn(memory).calls.found[0]?.calls).toEqual([]);
});

test("a connection that is destroyed while it waits for room publishes no error", async () => {
  const { sys, seen, wire, write, broken } = makeWire();
  sys.room.push(0);
  write("answer");
  await turn();
  wire.destroy();
  sys.polled[0]?.reject(failure);
  await turn();
  expect([seen, broken]).toEqual([["answer: dropped", "closed"], []]);
});

test("an answer for a closed connection is dropped, and its place is free", async () => {
  const { sys, memory, journal, seen, wire, write } = makeWire();
  const { index = -1 } = journal.openConnection(undefined) ?? {};
  wire.keep(index);
  const place = journal.openCall(index, 1, Buffer.from("request"), 0);
  wire.destroy();
  write("answer", true, place);
  wire.onDrained(() => seen.push("drained"));
  await turn();
  expect([seen, sys.calls.filter((call) => call.startsWith("send"))]).toEqual([
    ["closed", "answer: dropped", "drained"],
    [],
  ]);
  expect(journalIn(memory).calls.found[0]?.calls).toEqual([]);
});

test("a connection of the previous agent continues within the answer that was half sent", async () => {
  const { sys, journal, wire, write } = makeWire();
  const { index } = journal.openConnection(undefined) ?? {};
  wire.keep(index, 3);
  write("answer");
  await turn();
  expect(sys.calls.at(-1)).toBe("send 7 wer");
});

test("a released descriptor is neither read nor closed", () => {
  const { sys, seen, wire } = makeWire();
  expect(wire.release()).toBe(FD);
  wire.destroy();
  wire.resume();
  expect([seen, sys.calls]).toEqual([[], ["watch 7", "unwatch 7"]]);
});
