import type { ClientHttp2Session } from "node:http2";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import { activity } from "../../agent/kernel/activity.ts";
import { BodyRoom } from "../../agent/transport/body-room.ts";
import { diagnostics } from "../../agent/transport/diagnostics.ts";
import { dial } from "../../host/client/dial.ts";
import { GrpcClient } from "../../host/client/grpc-client.ts";
import { TtrpcClient } from "../../host/client/ttrpc-client.ts";
import { ttrpc } from "../../proto/gen/messages.js";
import { encodeHeader } from "../../proto/ttrpc-frame.ts";
import { halfGrpc, halfTtrpc, message, openHttp2, request } from "./testing/half-request.ts";
import { type Served, serve, until } from "./testing/serve.ts";

const ROOM = 16 << 20;
const LONG = 4_100_000;
const AT_ONCE = 24;

function session(served: Served): ClientHttp2Session {
  const client = openHttp2(connect(served.path));
  onTestFinished(() => client.destroy());
  return client;
}

const protocols = {
  ttrpc: {
    halves: (served: Served, count: number) =>
      Promise.all(Array.from({ length: count }, () => served.dial().then((socket) => halfTtrpc(socket, LONG)))),
    open: async (served: Served) => new TtrpcClient(await dial(served.address)),
  },
  grpc: {
    halves: (served: Served, count: number) => {
      const client = session(served);
      return Promise.all(Array.from({ length: count }, () => halfGrpc(client, LONG)));
    },
    open: async (served: Served) => new GrpcClient(await dial(served.address)),
  },
} as const;

describe.each(Object.entries(protocols))("half-sent requests over %s", (_, { halves, open }) => {
  test("stay within the memory budget for requests, and release it when they are gone", async () => {
    const room = new BodyRoom(ROOM);
    await using served = await serve({ room });
    const half = await halves(served, AT_ONCE);
    await expect.poll(() => room.left).toBeLessThan(ROOM - LONG);
    const codes: number[] = [];
    const finished = half.map(async ({ finish }) => codes.push(await finish()));
    const fit = Math.floor(ROOM / LONG);
    await expect.poll(() => codes.length).toBeGreaterThanOrEqual(AT_ONCE - fit);
    expect(new Set(codes)).toEqual(new Set([8]));
    expect(served.table.running).toBeLessThanOrEqual(fit);
    served.table.held.resolve(Buffer.from("x"));
    await Promise.all(finished);
    await expect.poll(() => room.left).toBe(ROOM);
  });

  test("are cancelled if their rest doesn't arrive, while others continue", async () => {
    const room = new BodyRoom(ROOM);
    await using served = await serve({ room, quietMs: 1000 });
    await using client = await open(served);
    const hanging = client.call("test.Echo", "Held", Buffer.from("x"));
    await halves(served, 3);
    await expect.poll(() => room.left).toBeLessThan(ROOM - LONG);
    await expect.poll(() => room.left).toBeGreaterThan(ROOM - 1000);
    served.table.held.resolve(Buffer.from("held"));
    expect(Buffer.from(await hanging).toString()).toBe("held");
    expect(served.table.started).toBe(1);
  });

  test("leave memory for short requests", async () => {
    const room = new BodyRoom(ROOM);
    await using served = await serve({ room });
    await using client = await open(served);
    await client.call("test.Echo", "Echo", Buffer.from("first"));
    const half = await halves(served, AT_ONCE);
    await expect.poll(() => room.left).toBeLessThan(ROOM / 2);
    const calls = Array.from({ length: 100 }, (_, index) =>
      client.call("test.Echo", "Echo", Buffer.alloc(4000, index)),
    );
    expect(await Promise.all(calls)).toHaveLength(100);
    for (const { destroy } of half) destroy();
    await expect.poll(() => room.left).toBe(ROOM);
  });
});

test("a connection whose frame stays half-sent is closed, with the reason", async () => {
  const refused: unknown[] = [];
  const listen = (event: unknown) => refused.push(event);
  diagnostics.refused.subscribe(listen);
  onTestFinished(() => void diagnostics.refused.unsubscribe(listen));
  await using served = await serve({ quietMs: 60 });
  for (const bytes of [Buffer.alloc(3), encodeHeader(4, { streamId: 1, type: 1, flags: 0 })]) {
    const socket = await served.dial();
    const closed = new Promise((resolve) => socket.resume().once("close", resolve));
    socket.write(bytes);
    await closed;
  }
  expect(refused).toEqual(new Array(2).fill({ peer: "unix", reason: "the rest of a request didn't arrive in time" }));
});

test("a half-sent request is kept while the agent reads nothing because its answers aren't read", async () => {
  await using served = await serve({ quietMs: 120, maxUnwritten: 1000 });
  const socket = await served.dial();
  socket.pause();
  const fill = ttrpc.Request.encode({ service: "test.Echo", method: "Fill", payload: Buffer.from("4000000") }).finish();
  socket.write(Buffer.concat([encodeHeader(fill.length, { streamId: 1, type: 1, flags: 0 }), fill, Buffer.alloc(3)]));
  await until(() => served.table.calls.length === 1);
  let read = 0;
  socket.on("readable", () => {});
  while (read < 4_000_000) {
    await sleep(20);
    read += (socket.read(200_000) as Buffer | null)?.length ?? 0;
    expect(socket.destroyed).toBe(false);
  }
});

describe("unfinished gRPC requests", () => {
  test("are refused if nothing more arrives", async () => {
    const room = new BodyRoom(ROOM);
    await using served = await serve({ room, quietMs: 60 });
    const client = session(served);
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(3), message(Buffer.from("whole"))]) {
      const { stream, code } = request(client, "/test.Echo/Echo");
      const closed = new Promise((resolve) => stream.once("close", resolve));
      stream.write(bytes);
      expect(await code).toBe(4);
      await closed;
    }
    expect(room.left).toBe(ROOM);
    expect(served.table.started).toBe(0);
  });

  test("count their headers towards the memory budget", async () => {
    const room = new BodyRoom(ROOM);
    await using served = await serve({ room });
    const { stream } = request(session(served), "/test.Echo/Echo", { long: "x".repeat(40_000) });
    await expect.poll(() => room.left).toBeLessThan(ROOM - 40_000);
    stream.destroy();
    await expect.poll(() => room.left).toBe(ROOM);
  });

  test("count their inflated size towards the memory budget and never exceed it", async () => {
    const room = new BodyRoom(ROOM);
    await using served = await serve({ room });
    const client = session(served);
    const bomb = message(gzipSync(Buffer.alloc(LONG)), 1);
    const calls = Array.from({ length: AT_ONCE }, () =>
      request(client, "/test.Echo/Held", { "grpc-encoding": "gzip" }),
    );
    const codes: number[] = [];
    const finished = calls.map(async ({ stream, code }) => {
      stream.write(bomb);
      codes.push(await code);
    });
    const fit = Math.floor(ROOM / LONG);
    await expect.poll(() => codes.length).toBeGreaterThanOrEqual(AT_ONCE - fit);
    expect(new Set(codes)).toEqual(new Set([8]));
    await expect.poll(() => ROOM - room.left).toBeGreaterThan(LONG);
    for (const { stream } of calls) stream.end();
    served.table.held.resolve(Buffer.from("x"));
    await Promise.all(finished);
    expect(codes).toContain(0);
    await expect.poll(() => room.left).toBe(ROOM);
  });

  test.each([
    ["two messages", Buffer.concat([message(Buffer.from("one")), message(Buffer.from("two"))]), 12],
    ["two messages, the first one empty", Buffer.concat([message(Buffer.alloc(0)), message(Buffer.alloc(1))]), 12],
    ["a message over 4 MiB", message(Buffer.alloc((4 << 20) + 1)), 8],
  ])("are refused if they contain %s", async (_, bytes, expected) => {
    const room = new BodyRoom(ROOM);
    await using served = await serve({ room });
    const { stream, code } = request(session(served), "/test.Echo/Echo");
    stream.end(bytes);
    expect(await code).toBe(expected);
    expect(served.table.started).toBe(0);
    await expect.poll(() => room.left).toBe(ROOM);
  });

  test.each([1, 3, 5, 6])("are answered like any other if they arrive in pieces of %i bytes", async (size) => {
    await using served = await serve();
    const { stream, code } = request(session(served), "/test.Echo/Echo");
    const bytes = message(Buffer.from("hello"));
    for (let at = 0; at < bytes.length; at += size) {
      await new Promise((resolve) => stream.write(bytes.subarray(at, at + size), resolve));
    }
    const answer: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => answer.push(chunk));
    stream.end();
    expect(await code).toBe(0);
    expect(Buffer.concat(answer)).toEqual(bytes);
  });
});

test("a gRPC client that leaves with half a request makes the agent look for memory to return", async () => {
  await using served = await serve({ room: new BodyRoom(ROOM) });
  const client = session(served);
  await halfGrpc(client, LONG);
  const ended = new Promise<void>((resolve) => {
    const heard = () => {
      activity.unsubscribe(heard);
      resolve();
    };
    activity.subscribe(heard);
  });
  client.destroy();
  await ended;
});
