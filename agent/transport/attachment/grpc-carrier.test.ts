import { EventEmitter } from "node:events";
import type { ServerHttp2Stream } from "node:http2";
import { expect, test, vi } from "vitest";
import { GrpcFramesParser, wrapFrames } from "../../../proto/grpc-frames.ts";
import { encodeStreamFrame, STREAM } from "../../../proto/stream-frame.ts";
import { GrpcCarrier } from "./grpc-carrier.ts";

const { stdout: OUT, process: PROCESS } = STREAM;

/** A stream of HTTP/2 as a carrier uses it. */
class PlayedStream extends EventEmitter {
  writableNeedDrain = false;
  writableLength = 0;
  readonly written: Buffer[] = [];
  readonly respond = vi.fn();
  readonly sendTrailers = vi.fn();
  readonly pause = vi.fn();
  readonly resume = vi.fn();
  readonly end = vi.fn();
  readonly close = vi.fn();
  write(bytes: Buffer): void {
    this.written.push(bytes);
  }
}

function open() {
  const stream = new PlayedStream();
  const carrier = new GrpcCarrier(stream as unknown as ServerHttp2Stream);
  const reader = { onBytes: vi.fn(), onRoom: vi.fn(), onClosed: vi.fn() };
  carrier.reader = reader;
  /** Frames that were written, without their wraps. */
  const sent = () => new GrpcFramesParser().push(Buffer.concat(stream.written.splice(0)));
  const trailers = () => {
    stream.emit("wantTrailers");
    return stream.sendTrailers.mock.lastCall?.[0] as unknown;
  };
  return { stream, carrier, reader, sent, trailers };
}

const output = () => ({
  copy: vi.fn((offset: number, most: number, room = 0) => Buffer.alloc(room + most, offset)),
});

test("answers at once as gRPC does, and ends with OK", () => {
  const { stream, carrier, trailers, reader } = open();
  const headers = { ":status": 200, "content-type": "application/grpc+proto" };
  expect(stream.respond.mock.calls).toEqual([[headers, { waitForTrailers: true }]]);
  carrier.destroy();
  expect([stream.end.mock.calls.length, stream.close.mock.calls.length]).toEqual([1, 0]);
  expect(trailers()).toEqual({ "grpc-status": "0" });
  carrier.destroy();
  expect([stream.end.mock.calls.length, reader.onClosed.mock.calls.length]).toEqual([1, 1]);
  expect(stream.resume).toHaveBeenCalledOnce(); // what still arrives is dropped
});

test("a refusal is the call's status, its message in ASCII", () => {
  const { carrier, trailers } = open();
  carrier.refuse(8, "100 % of 2048 ä\n");
  carrier.refuse(3, "too late");
  expect(trailers()).toEqual({ "grpc-status": "8", "grpc-message": "100 %25 of 2048 %C3%A4%0A" });
});

test("frames are messages in order, until it is closed", () => {
  const { carrier, sent } = open();
  const frames = [encodeStreamFrame("pong", PROCESS, 1), encodeStreamFrame("pong", PROCESS, 2)];
  for (const frame of frames) carrier.write(frame);
  expect(sent()).toEqual(frames);
  carrier.settle();
  carrier.destroy();
  carrier.write(encodeStreamFrame("pong", PROCESS, 3));
  expect([sent(), carrier.writeOutput(OUT, 0, output(), 5)]).toEqual([[], 0]);
});

test("output is copied into messages of 32 KiB", () => {
  const { carrier, stream, sent } = open();
  const from = output();
  expect(carrier.writeOutput(OUT, 7, from, 10)).toBe(10);
  expect(from.copy.mock.calls).toEqual([[7, 10, 25]]);
  expect(sent()).toEqual([encodeStreamFrame("data", OUT, 7, Buffer.alloc(10, 7))]);
  expect(carrier.writeOutput(OUT, 0, from, 100_000)).toBe(32_768 - 25);
  expect(stream.written[0]).toHaveLength(32_768);
  expect(sent()).toEqual([encodeStreamFrame("data", OUT, 0, Buffer.alloc(32_743))]);
  expect(carrier.writeOutput(OUT, 0, { copy: () => Buffer.alloc(25) }, 5)).toBe(0);
  expect(sent()).toEqual([]);
});

test("a message is a copy of the output's buffer, which the next one reuses", () => {
  const { carrier, sent } = open();
  const buffer = Buffer.alloc(25 + 3, "a");
  carrier.writeOutput(OUT, 0, { copy: () => buffer }, 3);
  buffer.fill("b");
  expect(sent()).toEqual([encodeStreamFrame("data", OUT, 0, Buffer.from("aaa"))]);
});

test("it is full while HTTP/2 has no room, or 64 KiB wait, and its reader learns of room", () => {
  const { carrier, stream, reader } = open();
  stream.writableLength = 65_535;
  expect([carrier.isFull, carrier.unsent]).toEqual([false, 65_535]);
  stream.writableLength = 65_536;
  expect([carrier.isFull, carrier.writeOutput(OUT, 0, output(), 5)]).toEqual([true, 0]);
  stream.writableLength = 0;
  stream.writableNeedDrain = true;
  expect(carrier.isFull).toBe(true);
  stream.emit("drain");
  expect(reader.onRoom).toHaveBeenCalledOnce();
});

test("a client that reads nothing loses the stream at once", () => {
  const { carrier, stream, trailers } = open();
  stream.writableNeedDrain = true;
  carrier.destroy();
  expect([stream.close.mock.calls, stream.end.mock.calls]).toEqual([[[8]], []]);
  expect(trailers()).toEqual({ "grpc-status": "0" });
});

test("frames of the client arrive however they are cut, and none after the end", () => {
  const { carrier, stream, reader } = open();
  const message = wrapFrames(Buffer.from("frames"));
  stream.emit("data", message.subarray(0, 7));
  expect(reader.onBytes).not.toHaveBeenCalled();
  stream.emit("data", Buffer.concat([message.subarray(7), wrapFrames(Buffer.from("more"))]));
  expect(reader.onBytes.mock.calls.map(String)).toEqual(["frames", "more"]);
  carrier.destroy();
  stream.emit("data", message);
  expect(reader.onBytes).toHaveBeenCalledTimes(2);
});

test("a message that is no Frame ends the call with INVALID_ARGUMENT", () => {
  const { stream, reader, trailers } = open();
  stream.emit("data", Buffer.of(1, 0, 0, 0, 0));
  const message = "gRPC message: it is compressed; send it as it is";
  expect(trailers()).toEqual({ "grpc-status": "3", "grpc-message": message });
  expect(reader.onClosed).toHaveBeenCalledOnce();
});

test.each(["end", "close"])("closes once at the stream's %s", (event) => {
  const { stream, reader } = open();
  stream.emit(event);
  stream.emit("close");
  expect(reader.onClosed).toHaveBeenCalledOnce();
});

test("reading stops and resumes, and there is no connection to give away", () => {
  const { carrier, stream } = open();
  carrier.setPaused(true);
  expect([stream.pause.mock.calls.length, stream.resume.mock.calls.length]).toEqual([1, 0]);
  carrier.setPaused(false);
  expect([stream.pause.mock.calls.length, stream.resume.mock.calls.length]).toEqual([1, 1]);
  const message = "forward: a gRPC stream has no connection of its own; use the port or socket of guestd.v1.Streams";
  expect(() => carrier.release()).toThrow(expect.objectContaining({ kind: "failed-precondition", message }));
});
