import { once } from "node:events";
import type { Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { MAX_KEPT_BODY, MAX_KEPT_CALLS, MAX_KEPT_CONNECTIONS } from "../../agent/kernel/journal-layout.ts";
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

let dying: DyingServer;
const ends: { destroy(): void }[] = [];
afterEach(() => {
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

  test("is lost with its connection when its end can't be told from what was in memory before", async () => {
    const { socket, got } = await connected();
    dying.dieAt("after read");
    socket.write(request(3, "Echo", Buffer.of(1, 255)));
    await until(() => dying.dead);
    expect(succeed().said).toMatchObject([{ broken: "a frame was half read" }]);
    await once(socket, "end");
    expect(got.size).toBe(1);
  });

  test.each(["header", "body"])("is lost with its connection in the middle of a frame's %s", async (part) => {
    const { socket, got } = await connected();
    const frame = request(3, "Echo", "second");
    socket.write(Buffer.concat([request(5, "Hang"), frame.subarray(0, part === "header" ? 7 : 20)]));
    await until(() => dying.table.running === 1);
    dying.dieNow();
    expect(succeed().said).toMatchObject([{ broken: "a frame was half read", open: 1 }]);
    await once(socket, "end");
    expect(got.size).toBe(1);
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

  test("is answered that it was cut off when it may not be made again, once what it did is undone", async () => {
    const { socket, got } = await connected();
    socket.write(Buffer.concat([request(3, "Deaf", "small"), request(5, "Deaf", Buffer.alloc(9000, "large"))]));
    await until(() => dying.table.running === 2);
    dying.dieNow();
    const undone = Promise.withResolvers<void>();
    expect(succeed(undone.promise).said).toMatchObject([{ ...goesOn, open: 2, repeated: 0, cutOff: 2 }]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(got.size).toBe(1);
    undone.resolve();
    await until(() => got.size === 3);
    const line =
      "14 /test.Echo/Deaf: the agent was restarted during the call, which may be done or not; look, then call again";
    expect([got.get(3), got.get(5)]).toEqual([line, line]);
  });

  test("is made once more when the agent died as it began it, and not again when that one died so as well", async () => {
    const { socket, got } = await connected();
    dying.table.onFatal = () => dying.dieNow();
    socket.write(request(3, "Fatal"));
    await until(() => dying.dead);
    const second = dying.dyingSuccessor();
    ends.push(second.server);
    await until(() => second.dead);
    expect(second.table.started).toBe(1);
    dying = second;
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
    await until(() => got.get(3) === "4 /test.Echo/Hang took longer than its caller waits");
  });

  test.each([
    ["before write", 1],
    ["after write", 2],
  ] as const)("is lost with its connection when the agent dies %s of a large answer", async (moment, answers) => {
    const { socket, got } = await connected();
    dying.dieAt(moment);
    socket.write(request(3, "Echo", Buffer.alloc(MAX_KEPT_BODY, "x")));
    await until(() => dying.dead);
    expect(succeed().said).toMatchObject([{ broken: "an answer may have been half written", open: 1 }]);
    await once(socket, "end");
    expect(got.size).toBe(answers);
  });

  test.each([
    ["before write", 1],
    ["after write", 2],
  ] as const)("has a small answer when the agent dies %s, in all %i times", async (moment, times) => {
    const { socket, got } = await connected();
    const frames: number[] = [];
    const parser = new FrameParser();
    socket.on("data", (chunk: Buffer) => frames.push(...parser.push(chunk).map(({ streamId }) => streamId)));
    dying.dieAt(moment);
    socket.write(Buffer.concat([request(3, "Echo", "second"), request(5, "NotFound")]));
    await until(() => dying.dead);
    expect(succeed().said).toMatchObject([{ ...goesOn, open: 2, repeated: 2, cutOff: 0 }]);
    socket.write(request(7, "Echo", "and on"));
    await until(() => got.has(7));
    expect([got.get(3), got.get(5), got.get(7)]).toEqual(["0 second", "5 no such thing as this", "0 and on"]);
    const each = (id: number) => frames.filter((streamId) => streamId === id).length;
    expect([each(3), each(5), each(7)]).toEqual([times, times, 1]);
  });

  test("is answered when its answer was ready and had to wait for room", async () => {
    const { socket, got } = await connected();
    dying.full = true;
    socket.write(
      Buffer.concat([request(3, "Echo", "waits"), request(5, "NotFound"), request(7, "None"), request(4, "")]),
    );
    await until(() => dying.table.settled.length === 2);
    dying.dieNow();
    expect(succeed().said).toMatchObject([{ ...goesOn, open: 4, repeated: 4 }]);
    await until(() => got.size === 5);
    expect([got.get(3), got.get(5)]).toEqual(["0 waits", "5 no such thing as this"]);
  });

  test("is lost with its connection when a part of an answer is written", async () => {
    const { socket } = await connected();
    socket.pause();
    socket.write(Buffer.concat([request(3, "Fill", String(2 << 20)), request(5, "Hang")]));
    await until(() => dying.table.started === 3 && dying.table.running === 1);
    dying.dieNow();
    expect(succeed().said).toMatchObject([{ broken: "an answer was half written", open: 2 }]);
    socket.resume();
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
    "its descriptor is not with init",
    "the journal does not know it",
  ]);
  await once(socket, "end");
});
