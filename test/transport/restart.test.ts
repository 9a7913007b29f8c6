import { once } from "node:events";
import type { Socket } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  CHUNK_BYTES,
  CHUNKS,
  MAX_KEPT_CALLS,
  MAX_KEPT_CONNECTIONS,
  WRITE_BYTES,
} from "../../agent/kernel/journal/journal-layout.ts";
import { ttrpc } from "../../proto/gen/messages.js";
import { encodeHeader, FrameParser } from "../../proto/ttrpc-frame.ts";
import { DyingServer } from "./testing/dying-server.ts";
import { until } from "./testing/serve.ts";

function request(streamId: number, method: string, payload: Uint8Array | string = ""): Buffer {
  const message = { service: "test.Echo", method, payload: Buffer.from(payload) };
  const body = ttrpc.Request.encode(message).finish();
  return Buffer.concat([encodeHeader(body.length, { streamId, type: 1, flags: 0 }), body]);
}

/** Collects a connection's answers by stream id, as `code text`. */
function collect(socket: Socket): Map<number, string> {
  const parser = new FrameParser();
  const got = new Map<number, string>();
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    for (const frame of parser.push(chunk)) {
      if (frame.kind !== "frame") continue;
      const { status, payload } = ttrpc.Response.decode(frame.body);
      const code = status?.code ?? 0;
      got.set(frame.streamId, `${code} ${code === 0 ? Buffer.from(payload).toString("latin1") : status?.message}`);
    }
  });
  return got;
}

/** Collects the stream ids of a connection's answers, in order. */
function idsOf(socket: Socket): number[] {
  const ids: number[] = [];
  const parser = new FrameParser();
  socket.on("data", (chunk: Buffer) => ids.push(...parser.push(chunk).map(({ streamId }) => streamId)));
  return ids;
}

const NO_BYTES = Buffer.alloc(0);
const cut = (bytes: Buffer, at: number): Buffer[] => [bytes.subarray(0, at), bytes.subarray(at)];

/** Sends bytes. Resolves when the agent has read them. */
async function send(socket: Socket, bytes: Buffer): Promise<void> {
  const before = dying.received;
  socket.write(bytes);
  await until(() => dying.received === before + bytes.length);
}

let dying: DyingServer;
const ends: { destroy(): void }[] = [];
afterEach(() => {
  vi.useRealTimers();
  for (const end of ends.splice(0)) end.destroy();
});

/** Opens a connection and makes one call on it. */
async function connected(): Promise<{ socket: Socket; got: Map<number, string> }> {
  dying = new DyingServer();
  const socket = dying.connect();
  ends.push(socket);
  const got = collect(socket);
  socket.write(request(1, "Echo", "first"));
  await until(() => got.size === 1);
  return { socket, got };
}

function succeed(undone?: Promise<unknown>) {
  const successor = dying.successor(undone);
  ends.push(successor.next);
  return successor;
}

const resumed = { broken: undefined, peer: "unix" };

describe("a call whose agent dies", () => {
  test("is answered by the next agent if it had not been read", async () => {
    const { socket, got } = await connected();
    dying.dieAt("before read");
    socket.write(request(3, "Echo", "second"));
    await until(() => dying.dead);
    expect(succeed().events).toMatchObject([{ ...resumed, open: 0 }]);
    await until(() => got.get(3) === "0 second");
  });

  test("is answered if it was read but not noted, not even its length", async () => {
    const { socket, got } = await connected();
    dying.dieAt("after read");
    socket.write(Buffer.concat([request(3, "Echo", "second"), request(5, "Bug")]));
    await until(() => dying.dead);
    expect(succeed().events).toMatchObject([resumed]);
    await until(() => got.size === 3);
    expect([got.get(3), got.get(5)]).toEqual(["0 second", "13 TypeError: x is not a function at stack"]);
  });

  test("is answered if it was the first on a connection that init has only just received", async () => {
    await connected();
    const socket = dying.connect();
    ends.push(socket);
    const got = collect(socket);
    dying.dieAt("deposit");
    socket.write(Buffer.concat([request(1, "Echo", "first"), request(3, "Echo", "second")]));
    await until(() => dying.dead);
    expect(succeed().events).toMatchObject([resumed, resumed]);
    await until(() => got.get(1) === "0 first" && got.get(3) === "0 second");
  });

  test.each([
    ["with a tail of 0xff bytes", [request(3, "Echo", Buffer.from("second\xff\xff", "latin1"))]],
    ["as the rest of a request", cut(request(3, "Echo", Buffer.from("second\xff\xff", "latin1")), 12)],
    ["as far as its header", cut(request(3, "Echo", Buffer.from("second\xff\xff", "latin1")), 10)],
  ])("is answered if it was read %s but not noted", async (_how, [...pieces]) => {
    const { socket, got } = await connected();
    const last = pieces.pop();
    for (const piece of pieces) await send(socket, piece);
    dying.dieAt("after read");
    socket.write(last ?? "");
    await until(() => dying.dead);
    expect(succeed().events).toMatchObject([resumed]);
    await until(() => got.get(3) === "0 second\xff\xff");
  });

  test.each([7, 10, 20])("is answered if %i bytes had been read and the rest arrives later", async (bytes) => {
    const { socket, got } = await connected();
    const [begin, end] = cut(request(3, "Echo", "second"), bytes);
    await send(socket, Buffer.concat([request(5, "Hang"), begin ?? NO_BYTES]));
    dying.dieNow();
    expect(succeed().events).toMatchObject([{ ...resumed, open: 1 }]);
    socket.write(end ?? "");
    await until(() => got.get(3) === "0 second");
  });

  test("is answered if it is large and its pieces reach several agents in turn", async () => {
    const { socket, got } = await connected();
    const payload = Buffer.alloc(900_000, "0123456789");
    const frame = Buffer.concat([request(3, "Echo", payload), request(5, "Echo", "and on")]);
    for (let at = 0; at < frame.length; at += 150_000) {
      await send(socket, frame.subarray(at, at + 150_000));
      if (at === 750_000) break;
      dying.dieNow();
      dying = dying.dyingSuccessor();
      ends.push(dying.server);
    }
    socket.write(frame.subarray(900_000));
    await until(() => got.get(5) === "0 and on");
    expect(got.get(3)).toBe(`0 ${payload.toString()}`);
  });

  test("is answered if the connection's first bytes are half of its request", async () => {
    await connected();
    const socket = dying.connect();
    ends.push(socket);
    const got = collect(socket);
    const [begin, end] = cut(request(1, "Echo", "first"), 15);
    await send(socket, begin ?? NO_BYTES);
    dying.dieNow();
    expect(succeed().events).toMatchObject([resumed, resumed]);
    socket.write(end ?? "");
    await until(() => got.get(1) === "0 first");
  });

  test("is repeated if it changes nothing, and its answer arrives on the same stream", async () => {
    const { socket, got } = await connected();
    socket.write(Buffer.concat([request(3, "Sleep", "50"), request(7, "Hang"), request(5, "Sleep", "51")]));
    await until(() => dying.table.running === 3);
    dying.dieNow();
    const { events, table } = succeed();
    expect(events).toMatchObject([{ ...resumed, open: 3, repeated: 3, cutOff: 0 }]);
    await until(() => got.size === 3);
    expect([got.get(3), got.get(5)]).toEqual(["0 50", "0 51"]);
    expect(table.running).toBe(1);
    socket.write(request(9, "Echo", "and on"));
    await until(() => got.get(9) === "0 and on");
  });

  test("continues from the progress that the earlier agent noted, in the order of the calls, once unfinished work is undone", async () => {
    const { socket, got } = await connected();
    socket.write(
      Buffer.concat([request(3, "Deaf", "small"), request(5, "Deaf", Buffer.alloc(9000, "large")), request(7, "Note")]),
    );
    await until(() => dying.table.running === 3);
    dying.dieNow();
    const undone = Promise.withResolvers<void>();
    const { events, table } = succeed(undone.promise);
    expect(events).toMatchObject([{ ...resumed, open: 3, repeated: 3, cutOff: 0 }]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([got.size, table.started]).toEqual([1, 0]);
    undone.resolve();
    await until(() => table.started === 3);
    await until(() => got.get(7) === "0 an earlier agent noted 7");
  });

  test("fails as interrupted if the journal has no room for its request", async () => {
    const { socket, got } = await connected();
    const payload = Buffer.alloc((1 << 20) - 100);
    const count = ((CHUNKS * CHUNK_BYTES) >> 20) + 1;
    socket.write(Buffer.concat(Array.from({ length: count }, (_, index) => request(3 + 2 * index, "Deaf", payload))));
    await until(() => dying.table.running === count);
    dying.dieNow();
    const [event] = succeed().events;
    expect(event).toMatchObject({ ...resumed, open: count });
    expect(event?.cutOff).toBeGreaterThan(0);
    await until(() => got.size === 1 + (event?.cutOff ?? 0));
    expect(got.get(1 + 2 * count)).toBe(
      "14 /test.Echo/Deaf: the agent was restarted during the call, which may or may not have taken effect; check, then retry",
    );
  });

  test.each([
    ["an agent dies when it begins the call, until four have died", 0, 3],
    ["the agent is killed because the call hangs, but not after a second time", 60_000, 1],
  ])("is repeated if %s", async (_when, ms, times) => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { socket, got } = await connected();
    dying.table.onFatal = () => dying.dieNow();
    socket.write(request(3, "Fatal"));
    for (let time = 0; time < times; time++) {
      await until(() => dying.dead);
      vi.setSystemTime(Date.now() + ms);
      dying = dying.dyingSuccessor();
      ends.push(dying.server);
    }
    await until(() => dying.dead);
    vi.setSystemTime(Date.now() + ms);
    expect(dying.table.started).toBe(1);
    const { events, table } = succeed();
    expect(events).toMatchObject([{ ...resumed, open: 1, repeated: 0, cutOff: 1 }]);
    await until(() => got.get(3)?.startsWith("14 /test.Echo/Fatal: the agent was restarted during the call") === true);
    expect(table.started).toBe(0);
    socket.write(request(5, "Echo", "and on"));
    await until(() => got.get(5) === "0 and on");
  });

  test("keeps its original deadline", async () => {
    const { socket, got } = await connected();
    const message = { service: "test.Echo", method: "Hang", payload: Buffer.alloc(0), timeout_nano: 80e6 };
    const body = ttrpc.Request.encode(message).finish();
    socket.write(Buffer.concat([encodeHeader(body.length, { streamId: 3, type: 1, flags: 0 }), body]));
    await until(() => dying.table.running === 1);
    dying.dieNow();
    succeed();
    await until(() => got.get(3) === "4 /test.Echo/Hang exceeded its caller's deadline");
  });

  test.each([
    ["before write", "none"],
    ["after write", "all"],
    ["after write", 1],
    ["after write", 9],
    ["after write", 30],
    ["after write", 100_000],
  ] as const)(
    "receives each answer once if the agent dies %s of them with room for %s of their bytes",
    async (moment, room) => {
      const { socket, got } = await connected();
      const frames = idsOf(socket);
      const large = Buffer.alloc(300_000, "x").toString();
      dying.dieAt(moment);
      if (typeof room === "number") dying.room = room;
      socket.write(
        Buffer.concat([
          request(3, "Echo", "second"),
          request(5, "NotFound"),
          request(7, "Fill", "20"),
          request(9, "Large"),
        ]),
      );
      await until(() => dying.dead);
      expect(succeed().events).toMatchObject([resumed]);
      socket.write(request(11, "Echo", "and on"));
      await until(() => got.size === 6);
      expect([got.get(3), got.get(5), got.get(11)]).toEqual(["0 second", "5 no such thing as this", "0 and on"]);
      expect([got.get(7)?.length, got.get(9) === `0 ${large}`]).toEqual([22, true]);
      expect(frames.toSorted((a, b) => a - b)).toEqual([3, 5, 7, 9, 11]);
    },
  );

  test("receives its answer if the agent dies after an answer that had to wait for room", async () => {
    const { socket, got } = await connected();
    dying.room = 1000;
    socket.write(request(3, "Large"));
    await until(() => dying.room === 0);
    dying.room = Number.POSITIVE_INFINITY;
    await until(() => got.has(3));
    dying.dieNow();
    succeed();
    socket.write(request(5, "Echo", "and on"));
    await until(() => got.get(5) === "0 and on");
  });

  test("receives each answer once if several agents in turn die in the middle of a large one", async () => {
    const { socket, got } = await connected();
    const frames = idsOf(socket);
    socket.write(Buffer.concat([request(3, "Fill", String(3 << 20)), request(5, "Hang"), request(7, "Echo", "small")]));
    for (let taken = 1; taken <= 5; taken++) {
      dying.room = WRITE_BYTES - 1000 * taken;
      await until(() => dying.room === 0);
      await new Promise((resolve) => setTimeout(resolve, 5));
      dying.dieNow();
      dying = dying.dyingSuccessor(0);
      ends.push(dying.server);
    }
    dying.dieNow();
    expect(succeed().events).toMatchObject([{ ...resumed, open: 3 }]);
    await until(() => got.has(3) && got.has(7));
    expect([got.get(3)?.length, got.get(7)]).toEqual([(3 << 20) + 2, "0 small"]);
    expect(frames).toEqual([3, 7]);
  });

  test("is answered if its answer was ready but had to wait for room", async () => {
    const { socket, got } = await connected();
    dying.room = 0;
    socket.write(
      Buffer.concat([request(3, "Echo", "waits"), request(5, "NotFound"), request(7, "None"), request(4, "")]),
    );
    await until(() => dying.table.settled.length === 2);
    dying.dieNow();
    expect(succeed().events).toMatchObject([{ ...resumed, open: 4, repeated: 4 }]);
    await until(() => got.size === 5);
    expect([got.get(3), got.get(5)]).toEqual(["0 waits", "5 no such thing as this"]);
  });

  test("is lost with its connection if a part of its answer was written and the journal has no room for the rest", async () => {
    const { socket } = await connected();
    // Each answer waits in the journal with 1 MiB.
    const others = Array.from({ length: (CHUNKS * CHUNK_BYTES) >> 20 }, (_, index) =>
      request(5 + 2 * index, "Deaf", Buffer.alloc((1 << 20) - 100)),
    );
    socket.write(Buffer.concat(others));
    await until(() => dying.table.running === others.length);
    dying.room = 100_000;
    socket.write(request(3, "Fill", String(1 << 20)));
    await until(() => dying.room === 0);
    dying.dieNow();
    expect(succeed().events).toMatchObject([{ broken: "no room to keep the rest of an answer" }]);
    await once(socket, "end");
  });
});

test("connections and calls beyond the journal's slots are closed or fail as interrupted", async () => {
  await connected();
  const silent = Array.from({ length: 50 }, () => dying.connect());
  const sockets = Array.from({ length: MAX_KEPT_CONNECTIONS }, () => dying.connect());
  ends.push(...silent, ...sockets);
  const half = MAX_KEPT_CALLS / 2;
  const calls = (from: number, count: number) =>
    Buffer.concat(Array.from({ length: count }, (_, index) => request(from + 2 * index, "Hang")));
  for (const [index, socket] of sockets.entries()) socket.write(calls(3, index < 2 ? half : 1));
  await until(() => dying.table.running === 2 * half + sockets.length - 2);
  expect(dying.deposits.size).toBe(MAX_KEPT_CONNECTIONS);
  dying.dieNow();
  const { events } = succeed();
  expect(events).toHaveLength(MAX_KEPT_CONNECTIONS);
  const broken = events.filter((event) => event.broken !== undefined);
  expect(broken).toHaveLength(MAX_KEPT_CONNECTIONS - 3);
  expect(broken[0]?.broken).toBe("more calls were open than can be kept");
});

test("a connection that only init or only the journal has is closed", async () => {
  const { socket } = await connected();
  const [[name, fd] = ["", -1]] = dying.deposits;
  dying.deposits.delete(name);
  dying.deposits.set("conn:77", fd);
  dying.dieNow();
  expect(succeed().events.map(({ broken }) => broken)).toEqual([
    "init doesn't have its descriptor",
    "it isn't in the journal",
  ]);
  await once(socket, "end");
});
