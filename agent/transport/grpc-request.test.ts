import { EventEmitter } from "node:events";
import type { ServerHttp2Stream } from "node:http2";
import { expect, test } from "vitest";
import { BodyRoom } from "./body-room.ts";
import { GrpcRequest } from "./grpc-request.ts";

const ROOM = 1 << 20;

/** Opens a stream that grpc-js reads, with the request on it. */
function open() {
  const room = new BodyRoom(ROOM, () => undefined);
  const stream = new EventEmitter();
  stream.on("data", () => undefined);
  const request = new GrpcRequest(stream as unknown as ServerHttp2Stream, room, 60_000, () => undefined);
  return { room, stream, request };
}

const message = Buffer.of(0, 0, 0, 0, 3, 10, 1, 97);

test.each([5, 7, 8])("a stream that closes after %i bytes, before its call begins, gives its room back", (bytes) => {
  const { room, stream } = open();
  stream.emit("data", message.subarray(0, bytes));
  stream.emit("close");
  expect(room.left).toBe(ROOM);
});

test("a served request leaves its room to its caller to give back", () => {
  const { room, stream, request } = open();
  request.begin(10);
  stream.emit("data", Buffer.from(message));
  const held = request.serve();
  stream.emit("close");
  expect([held, room.left]).toEqual([13, ROOM - 13]);
});
