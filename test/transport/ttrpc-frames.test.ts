import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { BodyRoom } from "../../agent/transport/body-room.ts";
import { ttrpc } from "../../proto/gen/messages.js";
import { encodeHeader, FrameParser, MAX_BODY_BYTES } from "../../proto/ttrpc-frame.ts";
import { serve, until } from "./testing/serve.ts";

interface Answer {
  readonly streamId: number;
  readonly type: number;
  readonly code: number;
  readonly message: string;
  readonly payload: string;
}

/** Reads `count` responses. */
async function answers(socket: Socket, count: number): Promise<Answer[]> {
  const parser = new FrameParser();
  const found: Answer[] = [];
  socket.on("data", (chunk: Buffer) => {
    for (const frame of parser.push(chunk)) {
      if (frame.kind === "oversize") throw new Error("an oversize answer");
      const { status, payload } = ttrpc.Response.decode(frame.body);
      const { streamId, type } = frame;
      found.push({
        streamId,
        type,
        code: status?.code ?? -1,
        message: status?.message ?? "",
        payload: Buffer.from(payload).toString(),
      });
    }
  });
  socket.resume();
  await until(() => found.length >= count);
  return found;
}

function request(streamId: number, method: string, payload = "", service = "test.Echo"): Buffer {
  return frame(streamId, 1, ttrpc.Request.encode({ service, method, payload: Buffer.from(payload) }).finish());
}

function frame(streamId: number, type: number, body: Uint8Array): Buffer {
  return Buffer.concat([encodeHeader(body.length, { streamId, type, flags: 0 }), body]);
}

describe("the ttRPC server", () => {
  test("releases the memory of requests that waited for their answers to be taken when the client disconnects", async () => {
    const room = new BodyRoom(8 << 20);
    const all = room.left;
    await using served = await serve({ room, maxUnwritten: 1000 });
    const socket = await served.dial();
    socket.pause();
    // All of them arrive in one read; the first answers fill the socket, so the last calls don't begin.
    const waiting = [5, 7, 9, 11, 13].map((id) => request(id, "Echo", "x".repeat(5000)));
    socket.write(Buffer.concat([request(1, "Large"), request(3, "Large"), ...waiting]));
    await until(() => served.table.started >= 2 && served.table.running === 0);
    expect(room.left).toBeLessThan(all - 5000);
    socket.destroy();
    await until(() => room.left === all);
  });

  test("answers like the Rust server, with the response type, the same stream and a status with code 0", async () => {
    await using served = await serve();
    const socket = await served.dial();
    socket.write(request(7, "Echo", "hi"));
    expect(await answers(socket, 1)).toEqual([{ streamId: 7, type: 2, code: 0, message: "", payload: "hi" }]);
  });

  test.each([
    ["an even stream id", request(2, "Echo"), 2, 3, /stream id 2 must be odd/],
    ["stream id 0", request(0, "Echo"), 0, 3, /must be odd/],
    ["an unknown service", request(1, "Echo", "", "a.B"), 1, 3, /^a.B service does not exist$/],
    ["an unknown method", request(1, "Nothing"), 1, 12, /^\/test.Echo\/Nothing is not implemented$/],
    ["an envelope that is not protobuf", frame(1, 1, Buffer.from([255, 255])), 1, 3, /decode ttrpc.Request/],
    ["an empty envelope", frame(1, 1, Buffer.alloc(0)), 1, 3, /service does not exist/],
    ["a payload that the handler cannot decode", request(1, "Undecodable"), 1, 2, /decode x/],
    ["a service name of 1 MiB", request(1, "Echo", "", "s".repeat(1 << 20)), 1, 3, /^s{4095}…$/],
  ])("answers %s with an error and continues", async (_what, bytes, streamId, code, message) => {
    await using served = await serve();
    const socket = await served.dial();
    socket.write(bytes);
    socket.write(request(9, "Echo", "next"));
    const [first, second] = (await answers(socket, 2)).toSorted((a, b) => a.streamId - b.streamId);
    expect(first).toMatchObject({ streamId, code, message: expect.stringMatching(message) });
    expect(second).toMatchObject({ streamId: 9, code: 0, payload: "next" });
  });

  test("discards the body of an oversize request, answers it and continues", async () => {
    await using served = await serve();
    const socket = await served.dial();
    socket.write(frame(1, 1, Buffer.alloc(MAX_BODY_BYTES + 1)));
    socket.write(request(3, "Echo", "next"));
    expect(await answers(socket, 2)).toMatchObject([
      { streamId: 1, code: 3, message: "request of 4194305 bytes is over the limit of 4 MiB" },
      { streamId: 3, code: 0 },
    ]);
  });

  test("refuses a request while others use the memory budget, and accepts it once they are gone", async () => {
    const bytes = ((MAX_BODY_BYTES + 100_000) * 8) / 7; // an eighth is reserved for requests that arrive in one piece
    const room = new BodyRoom(bytes);
    await using served = await serve({ room });
    const half = await served.dial();
    half.write(frame(1, 1, Buffer.alloc(MAX_BODY_BYTES)).subarray(0, -1));
    await until(() => room.left === bytes - MAX_BODY_BYTES);
    const socket = await served.dial();
    socket.write(Buffer.concat([request(1, "Echo", "x".repeat(200_000)), request(3, "Echo", "next")]));
    expect(await answers(socket, 2)).toMatchObject([
      {
        streamId: 1,
        code: 8,
        message: expect.stringMatching(/^request of 2000\d\d bytes: all memory for requests is in use/),
      },
      { streamId: 3, code: 0 },
    ]);
    half.destroy();
    await until(() => room.left === bytes);
    socket.write(
      Buffer.concat([frame(5, 3, Buffer.alloc(70_000)), request(7, "Echo", "x".repeat(MAX_BODY_BYTES - 1000))]),
    );
    await until(() => served.table.started === 2);
    await until(() => room.left === bytes);
  });

  test("ignores frames that aren't requests", async () => {
    await using served = await serve();
    const socket = await served.dial();
    for (const type of [0, 2, 3, 4, 255]) socket.write(frame(1, type, Buffer.from("anything")));
    socket.write(frame(5, 99, Buffer.alloc(MAX_BODY_BYTES + 5)));
    socket.write(request(3, "Echo", "next"));
    expect(await answers(socket, 1)).toMatchObject([{ streamId: 3, code: 0 }]);
  });

  test("refuses a stream id that is in use, and answers the first call", async () => {
    await using served = await serve();
    const socket = await served.dial();
    socket.write(Buffer.concat([request(1, "Sleep", "30"), request(1, "Sleep", "1")]));
    expect(await answers(socket, 2)).toMatchObject([
      { streamId: 1, code: 3, message: "stream id 1 is in use by an open call" },
      { streamId: 1, code: 0, payload: "30" },
    ]);
    socket.write(request(1, "Echo", "again"));
    await until(() => served.table.started === 2);
  });

  test("survives a connection that ends after any byte of a header or body", async () => {
    await using served = await serve();
    const bytes = request(1, "Echo", "hello");
    for (let length = 0; length < bytes.length; length++) (await served.dial()).end(bytes.subarray(0, length)).resume();
    const socket = await served.dial();
    socket.write(bytes);
    expect(await answers(socket, 1)).toMatchObject([{ code: 0 }]);
    await until(() => [...served.rpc.connections].length === 1);
    expect(served.table.started).toBe(1);
  });

  test("accepts requests that arrive one byte at a time", async () => {
    await using served = await serve();
    const socket = await served.dial();
    socket.setNoDelay(true);
    for (const byte of request(1, "Echo", "slow")) {
      socket.write(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    expect(await answers(socket, 1)).toMatchObject([{ payload: "slow" }]);
  });

  test("stops reading and beginning calls while its answers aren't read, and loses none", async () => {
    await using served = await serve();
    const socket = await served.dial();
    socket.pause();
    const count = 60;
    const size = 1 << 20;
    for (let index = 0; index < count; index++) socket.write(request(index * 2 + 1, "Fill", String(size)));
    // Small requests after them fill the read buffers, so that one read can't return all.
    const filler = "x".repeat(64 << 10);
    for (let index = count; index < 2 * count; index++) socket.write(request(index * 2 + 1, "Echo", filler));
    await until(() => served.table.started >= 4);
    await new Promise((resolve) => setTimeout(resolve, 50));
    // 4 MiB of answers, those in the socket's buffer, and the one that exceeds the limit.
    expect(served.table.started).toBeLessThan(10);
    const all = await answers(socket, 2 * count);
    expect(all.map(({ payload }) => payload.length).toSorted((a, b) => a - b)).toEqual([
      ...Array(count).fill(filler.length),
      ...Array(count).fill(size),
    ]);
  });

  test("answers a call whose time limit exceeds the longest timer", async () => {
    await using served = await serve();
    const socket = await served.dial();
    const body = ttrpc.Request.encode({
      service: "test.Echo",
      method: "Echo",
      payload: Buffer.from("x"),
      timeout_nano: 2 ** 62,
    });
    socket.write(frame(1, 1, body.finish()));
    expect(await answers(socket, 1)).toMatchObject([{ code: 0, payload: "x" }]);
  });

  test("refuses new calls while closing", async () => {
    await using served = await serve();
    const socket = await served.dial();
    socket.write(request(1, "Held"));
    await until(() => served.table.running === 1);
    const closed = served.rpc.close();
    socket.write(request(3, "Echo"));
    const refused = { streamId: 3, code: 14, message: "the agent is shutting down" };
    expect(await answers(socket, 1)).toMatchObject([refused]);
    served.table.held.resolve(Buffer.from("held"));
    expect(await answers(socket, 1)).toMatchObject([{ streamId: 1, code: 0, payload: "held" }]);
    await closed;
  });
});
