import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ttrpc } from "../../proto/gen/messages.js";
import { encodeHeader, FrameParser } from "../../proto/ttrpc-frame.ts";
import { AgentError } from "../kernel/error.ts";
import { createJournalMemory, journalIn } from "../kernel/journal/journal.ts";
import { monotonicMs } from "../kernel/monotonic-ms.ts";
import { ANSWER_ROOM, type Call, type ServiceTable } from "../service/dispatch.ts";
import { BodyRoom } from "./body-room.ts";
import type { ConnectionOptions } from "./connection.ts";
import { type CallEvent, diagnostics, type RefusedEvent } from "./diagnostics.ts";
import { KeptConnections } from "./kept-connections.ts";
import { listen } from "./testing/listen.ts";
import { createWireDouble } from "./testing/wire-double.ts";
import { TtrpcConnection } from "./ttrpc-connection.ts";
import { Wire } from "./wire.ts";

const ROOM = 1 << 20;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A connection on a played socket. Calls of `Held` wait for the test; those of `Echo` answer with their payload. */
function open(options: ConnectionOptions = {}) {
  const sys = createWireDouble();
  const room = new BodyRoom(ROOM, () => undefined);
  const { calls: journal } = journalIn(createJournalMemory());
  const inits: string[] = [];
  const init = {
    deposit: (name: string, fd: number) => void inits.push(`deposit ${name} ${fd}`),
    withdraw: (name: string) => void inits.push(`withdraw ${name}`),
  };
  const wire = new Wire(sys, journal, 7, { onBytes: () => undefined, onClosed: () => undefined });
  const held: (PromiseWithResolvers<Uint8Array> & { readonly call: Call; readonly settled: boolean[] })[] = [];
  const answer = (text: Uint8Array) => Buffer.concat([Buffer.alloc(ANSWER_ROOM), text]);
  const methods: Record<string, (payload: Uint8Array, call: Call) => Promise<Uint8Array>> = {
    Echo: async (payload) => answer(payload),
    Held: (_, call) => {
      const one = { ...Promise.withResolvers<Uint8Array>(), call, settled: [] as boolean[] };
      call.onSettled((written) => one.settled.push(written));
      held.push(one);
      return one.promise;
    },
    Throw: () => {
      throw new AgentError("not-found", "no such thing");
    },
  };
  const table: ServiceTable = {
    find: (service, method) => (service === "a.B" ? (methods[method] ?? "no-method") : "no-service"),
    ...{ mayRepeat: () => true, mayGoOn: () => false, list: () => [] },
  };
  const kept = new KeptConnections(journal, init);
  const connection = new TtrpcConnection(wire, kept, table, { name: "unix", cid: undefined }, room, options);
  const parsed = (sent: readonly string[]) =>
    new FrameParser().push(Buffer.from(sent.map((line) => line.slice(7)).join(""), "latin1"));
  let read = 0;
  /** Calls start and are answered in turns of the event loop. */
  const until = async (condition: () => boolean) => {
    for (let turns = 0; turns < 1000 && !condition(); turns++) await turn();
    for (let turns = 0; turns < 3; turns++) await turn();
  };
  /** Resolves with the `count` answers sent since the last call, or more: stream id, code and text. */
  const answers = async (count = 0) => {
    const seen = () => sys.calls.slice(read).filter((line) => line.startsWith("send 7 "));
    await until(() => parsed(seen()).length >= count);
    const sent = seen();
    read = sys.calls.length;
    return parsed(sent).map((frame) => {
      if (frame.kind !== "frame") throw new Error(frame.kind);
      const { status, payload } = ttrpc.Response.decode(frame.body);
      return [frame.streamId, status?.code ?? 0, status?.message || Buffer.from(payload).toString()];
    });
  };
  const arrives = (...frames: Uint8Array[]) => sys.arrives(Buffer.concat(frames));
  /** Resolves with the only call of `Held`. */
  const begun = async () => {
    await until(() => held.length > 0);
    const [one] = held;
    if (one === undefined || held.length > 1) throw new Error(`${held.length} calls were begun`);
    return one;
  };
  return { sys, room, journal, inits, wire, held, answer, connection, answers, arrives, begun, until };
}

type Request = Parameters<typeof ttrpc.Request.encode>[0];

function request(streamId: number, method: string, parts: Request = {}, type = 1): Buffer {
  const body = ttrpc.Request.encode({ service: "a.B", method, ...parts }).finish();
  return Buffer.concat([encodeHeader(body.length, { streamId, type, flags: 0 }), body]);
}

const payload = Buffer.from("hello");
const watched = ({ calls }: { calls: string[] }) => calls.filter((line) => /watch/.test(line));

describe("a call", () => {
  test("is answered on its stream, and its memory is given back", async () => {
    const { arrives, answers, room, connection } = open();
    arrives(request(1, "Echo", { payload }), request(3, "Throw"));
    expect(await answers(2)).toEqual([
      [1, 0, "hello"],
      [3, 5, "no such thing"],
    ]);
    expect([room.left, connection.openCalls()]).toEqual([ROOM, []]);
  });

  test.each<[string, number, number, Request]>([
    ["x.Y service does not exist", 3, 3, { service: "x.Y" }],
    ["/a.B/None is not implemented", 12, 3, { method: "None" }],
    ["stream id 1 is in use by an open call", 3, 1, {}],
    ["more than 1 calls at once on one connection", 8, 3, {}],
    ["stream id 2 must be odd", 3, 2, {}],
  ])("is refused: %s", async (message, code, streamId, parts) => {
    const { arrives, answers, room, held, begun } = open({ maxCalls: 1 });
    arrives(request(1, "Held"));
    await begun();
    const before = room.left;
    arrives(request(streamId, "Held", parts));
    expect(await answers(1)).toEqual([[streamId, code, message]]);
    expect([held.length, room.left]).toEqual([1, before]);
  });

  test("is refused while the connection is closing, which waits for open calls", async () => {
    const { arrives, answers, answer, connection, sys, begun } = open();
    arrives(request(1, "Held"));
    const { resolve, settled } = await begun();
    const closing = connection.close();
    arrives(request(3, "Echo"));
    expect(await answers(1)).toEqual([[3, 14, "the agent is shutting down"]]);
    expect(sys.calls).not.toContain("close 7");
    resolve(answer(payload));
    expect(await answers(1)).toEqual([[1, 0, "hello"]]);
    await closing;
    expect([sys.calls.at(-1), vi.getTimerCount(), settled]).toEqual(["close 7", 0, [true]]);
  });

  test("ends at its deadline, and a later answer is dropped", async () => {
    const { arrives, answers, answer, connection, room, begun } = open();
    const events = listen<CallEvent>(diagnostics.call);
    arrives(request(1, "Held", { timeout_nano: 5e9 }));
    const { call, resolve, settled } = await begun();
    const { signal } = call;
    expect(connection.openCalls()).toMatchObject([{ streamId: 1, service: "a.B", method: "Held" }]);
    expect(connection.openCalls()[0]?.deadline).toBeGreaterThan(monotonicMs());
    vi.advanceTimersByTime(4900);
    expect(await answers()).toEqual([]);
    vi.advanceTimersByTime(101);
    expect(await answers(1)).toEqual([[1, 4, "/a.B/Held exceeded its caller's deadline"]]);
    expect(signal.reason).toMatchObject({ kind: "deadline-exceeded" });
    expect(room.left).toBeLessThan(ROOM);
    resolve(answer(payload));
    expect([await answers(), settled, room.left]).toEqual([[], [false], ROOM]);
    expect(events.map(({ method, code }) => [method, code])).toEqual([["Held", 4]]);
  });

  test.each([
    [2 ** 31 - 1000, 1],
    [2 ** 31 + 60_000, 0],
    [0, 0],
  ])("with a timeout of %i ms has %i timers", async (ms, timers) => {
    const { arrives, connection, begun } = open();
    arrives(request(1, "Held", { timeout_nano: ms * 1e6 }));
    await begun();
    expect(vi.getTimerCount()).toBe(timers);
    expect("deadline" in (connection.openCalls()[0] ?? {})).toBe(ms > 0);
    connection.destroy();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("whose answer is over 4 MiB fails", async () => {
    const { arrives, answers, answer, begun } = open();
    arrives(request(1, "Held"));
    const { resolve, settled } = await begun();
    resolve(answer(Buffer.alloc(4 << 20)));
    expect(await answers(1)).toEqual([[1, 3, "response of 4194311 bytes is over the limit of 4 MiB"]]);
    expect(settled).toEqual([false]);
  });
});

describe("a connection that closes", () => {
  test("aborts its calls, and gives back their memory and its places", async () => {
    const { arrives, held, until, connection, room, inits, sys, answers } = open();
    const events = listen<CallEvent>(diagnostics.call);
    arrives(request(1, "Held"), request(3, "Held", { payload }));
    expect(connection.openCalls()).toEqual([
      { streamId: 1, service: "a.B", method: "Held", payload: Buffer.alloc(0) },
      { streamId: 3, service: "a.B", method: "Held", payload },
    ]);
    expect(inits).toEqual(["deposit conn:1 7"]);
    await until(() => held.length === 2);
    arrives(Buffer.alloc(0));
    await connection.closed;
    expect([inits.slice(1), connection.openCalls()]).toEqual([["withdraw conn:1"], []]);
    for (const { call, settled, reject } of held) {
      const { reason } = call.signal;
      expect(reason).toMatchObject({ kind: "canceled", message: "the connection from unix was closed" });
      expect(settled).toEqual([false]);
      reject(reason);
    }
    expect([await answers(), room.left, sys.calls.includes("close 7")]).toEqual([[], ROOM, true]);
    expect(events.map(({ method, code }) => [method, code])).toEqual(new Array(2).fill(["Held", undefined]));
  });

  test("frees the journal's places of its open calls, and of those that were not begun", async () => {
    const { arrives, connection, journal } = open();
    const opened = vi.spyOn(journal, "openCall");
    const closed = vi.spyOn(journal, "closeCall");
    arrives(request(1, "Held"), request(3, "Held"), request(5, "Held"));
    connection.destroy();
    const places = opened.mock.results.map(({ value }) => [0, value as number]);
    expect(places).toHaveLength(3);
    expect(closed.mock.calls).toEqual(places);
  });

  test("gives back the memory of a half-sent request, and begins no recorded one", async () => {
    const { arrives, connection, room, answers } = open();
    arrives(request(1, "Echo", { payload: Buffer.alloc(500) }).subarray(0, 300));
    expect(room.left).toBeLessThan(ROOM);
    connection.destroy();
    connection.destroy();
    const late = { streamId: 1, place: undefined, request: { code: 3 as const, message: "" }, held: 0 };
    connection.serve(late);
    expect([room.left, await answers(), vi.getTimerCount()]).toEqual([ROOM, [], 0]);
  });

  test("is destroyed if its calls don't end within the grace period", async () => {
    const { arrives, begun, connection, sys } = open();
    arrives(request(1, "Held"));
    await begun();
    const closing = connection.close(500);
    vi.advanceTimersByTime(499);
    expect(sys.calls).not.toContain("close 7");
    vi.advanceTimersByTime(1);
    await closing;
    expect(sys.calls).toContain("close 7");
  });

  test("closes at once if it has no calls", async () => {
    const { connection, sys } = open();
    await connection.close();
    expect([sys.calls.at(-1), vi.getTimerCount()]).toEqual(["close 7", 0]);
  });
});

test("frames that are no requests are ignored, and their memory is given back", async () => {
  const { arrives, answers, room, held } = open();
  arrives(request(1, "Held", {}, 2), request(3, "Held", {}, 3));
  expect([await answers(), held, room.left]).toEqual([[], [], ROOM]);
});

test("requests of calls that exist already are not served again, and their memory is given back", async () => {
  const { connection, room, until, held } = open();
  const [known, fresh] = [request(1, "Held"), request(3, "Held")];
  connection.onBytes(Buffer.concat([known, fresh]), new Set([1]));
  await until(() => held.length > 0);
  expect(connection.openCalls().map(({ streamId }) => streamId)).toEqual([3]);
  expect(room.left).toBe(ROOM - (fresh.length - 10));
  connection.destroy();
});

test.each([
  [256, []],
  [257, ["unwatch 7"]],
])("reading pauses only while more than 256 requests wait: %i", (count, paused) => {
  const { arrives, sys, connection } = open({ maxUnwritten: -1 }); // none is served
  arrives(...Array.from({ length: count }, (_, at) => request(2 * at + 1, "Echo")));
  expect([watched(sys), connection.openCalls().length]).toEqual([["watch 7", ...paused], count]);
  connection.destroy();
});

test("reading continues when all requests are served", async () => {
  const { arrives, answers, sys } = open();
  arrives(...Array.from({ length: 300 }, (_, at) => request(2 * at + 1, "Echo")));
  expect((await answers(300)).length).toBe(300);
  expect(watched(sys)).toEqual(["watch 7", "unwatch 7", "watch 7"]);
});

describe("a half-sent request that goes silent", () => {
  const half = request(5, "Echo", { payload }).subarray(0, 12);
  const ofSilence = (ms: number) => {
    for (let at = 0; at < 6; at++) vi.advanceTimersByTime(ms / 6);
  };

  test("closes its connection after 30 s, with the reason", async () => {
    const { arrives, sys, connection } = open();
    const refused = listen<RefusedEvent>(diagnostics.refused);
    arrives(half);
    vi.advanceTimersByTime(24_000);
    arrives(Buffer.of(0)); // the next check, at 25 s, begins to count again
    vi.advanceTimersByTime(25_999);
    expect(sys.calls).not.toContain("close 7");
    vi.advanceTimersByTime(1);
    await connection.closed;
    expect(refused).toEqual([{ peer: "unix", reason: "the rest of a request didn't arrive in time" }]);
  });

  test.each([
    [{ maxUnwritten: -1 }, 1],
    [{}, 0],
  ])("closes it with %j, although a call runs or waits", async (options, begun) => {
    const { arrives, sys, held, until } = open({ quietMs: 60, ...options });
    arrives(request(1, "Held"), half);
    await until(() => held.length === 1 - begun);
    ofSilence(60);
    expect(sys.calls).toContain("close 7");
  });

  test("does not close it once the rest has arrived", () => {
    const { arrives, sys } = open({ quietMs: 60 });
    arrives(request(1, "Echo").subarray(0, 12));
    arrives(request(1, "Echo").subarray(12));
    ofSilence(120);
    expect([sys.calls.includes("close 7"), vi.getTimerCount()]).toEqual([false, 0]);
  });

  test("is not to blame while its answers are being taken", async () => {
    const { arrives, sys, wire, until } = open({ quietMs: 60, maxUnwritten: 100 });
    sys.room.push(1, 50, 1);
    arrives(request(1, "Echo", { payload: Buffer.alloc(200) }), half);
    await until(() => sys.polled.length > 0);
    expect([wire.paused, watched(sys)]).toEqual([true, ["watch 7", "unwatch 7"]]);
    ofSilence(60);
    expect(sys.calls).not.toContain("close 7");
    sys.polled[0]?.resolve();
    await until(() => sys.polled.length > 1);
    ofSilence(60); // more was taken
    expect(sys.calls).not.toContain("close 7");
    ofSilence(60);
    expect(sys.calls).toContain("close 7");
  });

  test("is not to blame while a later request waits to be served", async () => {
    const { arrives, sys, connection, wire, until } = open({ quietMs: 60, maxUnwritten: 100 });
    sys.room.push(1);
    const requests = Array.from({ length: 20 }, (_, at) => request(2 * at + 7, "Echo", { payload: Buffer.alloc(200) }));
    arrives(...requests, half);
    await until(() => sys.polled.length > 0);
    expect([connection.openCalls().length > 0, wire.paused]).toEqual([true, true]);
    for (let times = 0; times < 3; times++) ofSilence(60);
    expect(sys.calls).not.toContain("close 7");
    connection.destroy();
  });
});
