import { EventEmitter } from "node:events";
import type { ServerHttp2Stream } from "node:http2";
import { afterEach, expect, test, vi } from "vitest";
import type { RpcStatus } from "../service/status.ts";
import { BodyRoom } from "./body-room.ts";
import { GrpcRequest } from "./grpc-request.ts";

const ROOM = 1 << 20;

/** Opens a stream that grpc-js reads, with the request on it. `got` is what grpc-js receives. */
function open(bytes = ROOM) {
  const room = new BodyRoom(bytes, () => undefined);
  const got: string[] = [];
  const refusals: RpcStatus[] = [];
  const closed: number[] = [];
  const stream = Object.assign(new EventEmitter(), { close: (code: number) => void closed.push(code) });
  stream.on("data", (chunk: Buffer) => got.push(chunk.toString("hex")));
  const refuse = (status: RpcStatus) => void refusals.push(status);
  const request = new GrpcRequest(stream as unknown as ServerHttp2Stream, room, 60_000, refuse);
  const send = (...chunk: number[]) => stream.emit("data", Buffer.from(chunk));
  return { room, stream, request, got, refusals, closed, send };
}

afterEach(() => {
  vi.useRealTimers();
});

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

test.each([0, 2])("a grpc-js that reads a stream by %i listeners is refused", (count) => {
  const stream = new EventEmitter();
  for (let each = 0; each < count; each++) stream.on("data", () => undefined);
  const make = () => new GrpcRequest(stream as unknown as ServerHttp2Stream, new BodyRoom(ROOM), 1, () => undefined);
  expect(make).toThrow(
    expect.objectContaining({ kind: "internal", message: "gRPC: this grpc-js doesn't read by one data listener" }),
  );
});

test("grpc-js receives the prefix and the message once each is complete", () => {
  const { send, got } = open();
  send(0, 0, 0);
  expect(got).toEqual([]);
  send(0, 3, 10);
  expect(got).toEqual(["0000000003"]);
  send(1);
  send(97);
  expect(got).toEqual(["0000000003", "0a0161"]);
});

test("a request that was dropped stays refused, and one that is served does not become it", () => {
  const dropped = open();
  dropped.request.drop();
  expect([dropped.request.serve(), dropped.request.refused]).toEqual([0, true]);
  const served = open();
  served.request.serve();
  served.request.drop();
  expect(served.request.refused).toBe(false);
});

test("an empty message is only its prefix", () => {
  const { send, got, refusals, request } = open();
  send(0, 0, 0, 0, 0);
  expect([got, refusals, request.serve()]).toEqual([["0000000000"], [], 0]);
});

test("a request with more than one message is refused", () => {
  const { send, refusals, request, room } = open();
  send(0, 0, 0, 0, 1, 7, 8);
  expect(refusals).toEqual([{ code: 12, message: "the request has more than one message" }]);
  expect([request.refused, room.left]).toEqual([true, ROOM]);
  send(9);
  expect(refusals).toHaveLength(1);
});

test("a request that goes silent is refused and its stream closed, but not one that is served", () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  const silent = open();
  silent.request.begin(10);
  const served = open();
  served.request.begin(10);
  served.request.serve();
  vi.advanceTimersByTime(200_000);
  expect(silent.refusals).toEqual([{ code: 4, message: "the rest of the request didn't arrive in time" }]);
  expect([silent.closed, silent.room.left]).toEqual([[0], ROOM]);
  expect([served.refusals, served.closed]).toEqual([[], []]);
});

test("headers and a message without room are refused with the number of bytes", () => {
  const headers = open(100);
  expect([headers.request.begin(100), open(100).request.begin(101)]).toEqual([true, false]);
  const refused = (bytes: number) => ({
    code: 8,
    message: `request of ${bytes} bytes: all memory for requests is in use`,
  });
  const long = open(100);
  long.send(0, 0, 0, 1, 0, ...new Array(255).fill(1));
  expect([long.refusals, long.room.left]).toEqual([[refused(256)], 100]);
  const compressed = open();
  compressed.send(1, 0, 0, 0, 1, 7);
  expect([compressed.refusals, compressed.got, compressed.room.left]).toEqual([[refused(4 << 20)], [], ROOM]);
});

test("a compressed message holds 4 MiB until it is inflated, then its size", () => {
  const all = 16 << 20;
  const { send, request, room, refusals } = open(all);
  send(1, 0, 0, 0, 2);
  expect(room.left).toBe(all - (4 << 20));
  send(7, 8);
  expect(room.left).toBe(all - (4 << 20) - 2);
  request.decoded(1000);
  expect(room.left).toBe(all - 1000);
  expect([request.serve(), refusals]).toEqual([1000, []]);
});

test("a message over 4 MiB is left to grpc-js, which refuses it, and holds no room", () => {
  const { send, got, room, request } = open();
  send(0, 0, 64, 0, 1, 7);
  expect([got, room.left, request.refused]).toEqual([["0000400001"], ROOM, true]);
});
