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
import { DyingServer } from "./dying-server.ts";
import { until } from "./serve.ts";

function request(streamId: number, method: string, payload: Uint8Array | string = ""): Buffer {
  const message = { service: "test.Echo", method, payload: Buffer.from(payload) };
  const body = ttrpc.Request.encode(message).finish();
  return Buffer.concat([encodeHeader(body.length, { streamId, type: 1, flags: 0 }), body]);
}

/** The answers that a connection has got, by stream id: `code text`. */
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

/** Stream ids of the answers, in order. */
function idsOf(socket: Socket): number[] {
  const ids: number[] = [];
  const parser = new FrameParser();
  socket.on("data", (chunk: Buffer) => ids.push(...parser.push(chunk).map(({ streamId }) => streamId)));
  return ids;
}

const NO_BYTES = Buffer.alloc(0);
const cut = (bytes: Buffer, at: number): Buffer[] => [bytes.subarray(0, at), bytes.subarray(at)];

/** Resolves when the agent has read it. */
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

/** A server with one connection that has made a call. */
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

const goesOn = { broken: undefined, peer: "unix" };

describe("a call on a connection whose agent dies", () => {
  test("is answered by the next one when it had not been read", async () => {
    const { socket, got } = await connected();
    dying.dieAt("before read");
    socket.write(request(3, "Echo", "second"));
    await until(() => dying.dead);
    expect(succeed().said).toMatchObject([{ ...goesOn, open: 0 }]);
    await until(() => got.get(3) === "0 second");
  });

  test("is answered when it was read and nothing of it noted, not even how much it was", async () => {
    const { socket, got } = await connected();
    dying.dieAt("after read");
    socket.write(Buffer.concat([request(3, "Echo", "second"), request(5, "Bug")]));
    await until(() => dying.dead);
    expect(succeed().said).toMatchObject([goesOn]);
    await until(() => got.size === 3);
    expect([got.get(3), got.get(5)]).toEqual(["0 second", "13 TypeError: x is not a function at stack"]);
  });

  test("is answered when it was the first of its connection, which init has just got", async () => {
    await connected();
    const socket = dying.connect();
    ends.push(socket);
    const got = collect(socket);
    dying.dieAt("deposit");
    socket.write(Buffer.concat([request(1, "Echo", "first"), request(3, "Echo", "second")]));
    await until(() => dying.dead);
    expect(succeed().said).toMatchObject([goesOn, goesOn]);
    await until(() => got.get(1) === "0 first" && got.get(3) === "0 second");
  });

  test.each([
    ["with bytes 0xff at its end", [request(3, "Echo", Buffer.from("second\xff\xff", "latin1"))]],
    ["as the end of one that had begun", cut(request(3, "Echo", Buffer.from("second\xff\xff", "latin1")), 12)],
    ["as the header alone", cut(request(3, "Echo", Buffer.from("second\xff\xff", "latin1")), 10)],
  ])("is answered when it was read %s and nothing of it noted", async (_how, [...pieces]) => {
    const { socket, got } = await connected();
    const last = pieces.pop();
    for (const piece of pieces) await send(socket, piece);
    dying.dieAt("after read");
    socket.write(last ?? "");
    await until(() => dying.dead);
    expect(succeed().said).toMatchObject([goesOn]);
    await until(() => got.get(3) === "0 second\xff\xff");
  });

  test.each([7, 10, 20])("is answered when %i bytes of it had been read, and the rest came later", async (bytes) => {
    const { socket, got } = await connected();
    const [begin, end] = cut(request(3, "Echo", "second"), bytes);
    await send(socket, Buffer.concat([request(5, "Hang"), begin ?? NO_BYTES]));
    dying.dieNow();
    expect(succeed().said).toMatchObject([{ ...goesOn, open: 1 }]);
    socket.write(end ?? "");
    await until(() => got.get(3) === "0 second");
  });

  test("is answered when a large one comes in pieces to one agent after the other", async () => {
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

  test("is answered when the connection's first bytes are half of a request", async () => {
    await connected();
    const socket = dying.connect();
    ends.push(socket);
    const got = collect(socket);
    const [begin, end] = cut(request(1, "Echo", "first"), 15);
    await send(socket, begin ?? NO_BYTES);
    dying.dieNow();
    expect(succeed().said).toMatchObject([goesOn, goesOn]);
    socket.write(end ?? "");
    await until(() => got.get(1) === "0 first");
  });

  test("is made again when it only asks, and its answer comes on the same stream", async () => {
    const { socket, got } = await connected();
    socket.write(Buffer.concat([request(3, "Sleep", "50"), request(7, "Hang"), request(5, "Sleep", "51")]));
    await until(() => dying.table.running === 3);
    dying.dieNow();
    const { said, table } = succeed();
    expect(said).toMatchObject([{ ...goesOn, open: 3, repeated: 3, cutOff: 0 }]);
    await until(() => got.size === 3);
    expect([got.get(3), got.get(5)]).toEqual(["0 50", "0 51"]);
    expect(table.running).toBe(1);
    socket.write(request(9, "Echo", "and on"));
    await until(() => got.get(9) === "0 and on");
  });

  test("goes on from what the agent before noted, once what that had half done is undone, in the order of the calls", async () => {
    const { socket, got } = await connected();
    socket.write(
      Buffer.concat([request(3, "Deaf", "small"), request(5, "Deaf", Buffer.alloc(9000, "large")), request(7, "Note")]),
    );
    await until(() => dying.table.running === 3);
    dying.dieNow();
    const undone = Promise.withResolvers<void>();
    const { said, table } = succeed(undone.promise);
    expect(said).toMatchObject([{ ...goesOn, open: 3, repeated: 3, cutOff: 0 }]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([got.size, table.started]).toEqual([1, 0]);
    undone.resolve();
    await until(() => table.started === 3);
    await until(() => got.get(7) === "0 an agent before came to 7");
  });

  test("is answered that it was cut off when the journal has no room for its request", async () => {
    const { socket, got } = await connected();
    const payload = Buffer.alloc((1 << 20) - 100);
    const count = ((CHUNKS * CHUNK_BYTES) >> 20) + 1;
    socket.write(Buffer.concat(Array.from({ length: count }, (_, index) => request(3 + 2 * index, "Deaf", payload))));
    await until(() => dying.table.running === count);
    dying.dieNow();
    const [said] = succeed().said;
    expect(said).toMatchObject({ ...goesOn, open: count });
    expect(said?.cutOff).toBeGreaterThan(0);
    await until(() => got.size === 1 + (said?.cutOff ?? 0));
    expect(got.get(1 + 2 * count)).toBe(
      "14 /test.Echo/Deaf: the agent was restarted during the call, which may or may not have taken effect; check, then retry",
    );
  });

  test.each([
    ["the agent died as it began it, until four have died so", 0, 3],
    ["the agent was killed because it never came to its end, and not again after the second", 60_000, 1],
  ])("is made again when %s", async (_when, ms, times) => {
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
    const { said, table } = succeed();
    expect(said).toMatchObject([{ ...goesOn, open: 1, repeated: 0, cutOff: 1 }]);
    await until(() => got.get(3)?.startsWith("14 /test.Echo/Fatal: the agent was restarted during the call") === true);
    expect(table.started).toBe(0);
    socket.write(request(5, "Echo", "and on"));
    await until(() => got.get(5) === "0 and on");
  });

  test("keeps its deadline", async () => {
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
    ["before write", "no byte"],
    ["after write", "all"],
    ["after write", 1],
    ["after write", 9],
    ["after write", 30],
    ["after write", 100_000],
  ] as const)("has each answer once when the agent dies %s of %s bytes of them", async (moment, room) => {
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
    expect(succeed().said).toMatchObject([goesOn]);
    socket.write(request(11, "Echo", "and on"));
    await until(() => got.size === 6);
    expect([got.get(3), got.get(5), got.get(11)]).toEqual(["0 second", "5 no such thing as this", "0 and on"]);
    expect([got.get(7)?.length, got.get(9) === `0 ${large}`]).toEqual([22, true]);
    expect(frames.toSorted((a, b) => a - b)).toEqual([3, 5, 7, 9, 11]);
  });

  test("has its answer when the agent dies after one that had to wait for room", async () => {
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

  test("has each answer once when one agent after the other dies in the middle of a large one", async () => {
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
    expect(succeed().said).toMatchObject([{ ...goesOn, open: 3 }]);
    await until(() => got.has(3) && got.has(7));
    expect([got.get(3)?.length, got.get(7)]).toEqual([(3 << 20) + 2, "0 small"]);
    expect(frames).toEqual([3, 7]);
  });

  test("is answered when its answer was ready and had to wait for room", async () => {
    const { socket, got } = await connected();
    dying.room = 0;
    socket.write(
      Buffer.concat([request(3, "Echo", "waits"), request(5, "NotFound"), request(7, "None"), request(4, "")]),
    );
    await until(() => dying.table.settled.length === 2);
    dying.dieNow();
    expect(succeed().said).toMatchObject([{ ...goesOn, open: 4, repeated: 4 }]);
    await until(() => got.size === 5);
    expect([got.get(3), got.get(5)]).toEqual(["0 waits", "5 no such thing as this"]);
  });

  test("is lost with its connection when a part of its answer is written and there is no room for the rest", async () => {
    const { socket } = await connected();
    // Each waits in the journal with 1 MiB.
    const others = Array.from({ length: (CHUNKS * CHUNK_BYTES) >> 20 }, (_, index) =>
      request(5 + 2 * index, "Deaf", Buffer.alloc((1 << 20) - 100)),
    );
    socket.write(Buffer.concat(others));
    await until(() => dying.table.running === others.length);
    dying.room = 100_000;
    socket.write(request(3, "Fill", String(1 << 20)));
    await until(() => dying.room === 0);
    dying.dieNow();
    expect(succeed().said).toMatchObject([{ broken: "no room to keep the rest of an answer" }]);
    await once(socket, "end");
  });
});

test("what cannot be kept is not: more connections than there are places, more calls than there are places", async () => {
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
  const { said } = succeed();
  expect(said).toHaveLength(MAX_KEPT_CONNECTIONS);
  const broken = said.filter((event) => event.broken !== undefined);
  expect(broken).toHaveLength(MAX_KEPT_CONNECTIONS - 3);
  expect(broken[0]?.broken).toBe("more calls were open than can be kept");
});

test("a connection that init has and the journal does not, and the other way round, is closed", async () => {
  const { socket } = await connected();
  const [[name, fd] = ["", -1]] = dying.deposits;
  dying.deposits.delete(name);
  dying.deposits.set("conn:77", fd);
  dying.dieNow();
  expect(succeed().said.map(({ broken }) => broken)).toEqual([
    "init doesn't have its descriptor",
    "it isn't in the journal",
  ]);
  await once(socket, "end");
});
