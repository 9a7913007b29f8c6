import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  encodeStreamFrame,
  type FrameType,
  frameTypes,
  kindOf,
  MAX_PAYLOAD_BYTES,
  STREAM,
  STREAM_HEADER_BYTES,
  type StreamFrame,
  StreamFrameError,
  StreamFrameParser,
} from "./stream-frame.ts";

type Sender = "client" | "agent";

const frameOf = (type: FrameType) => {
  const { streams, payload } = kindOf(type);
  return fc.record({
    type: fc.constant(type),
    stream: fc.constantFrom(...streams),
    offset: fc.maxSafeNat(),
    payload: payload
      ? fc.uint8Array({ minLength: streams.includes(STREAM.process) ? 0 : 1, maxLength: 300 })
      : fc.constant(new Uint8Array()),
  });
};
const sentBy = (sender: Sender) =>
  fc.oneof(...frameTypes.filter((type) => ["both", sender].includes(kindOf(type).sender)).map(frameOf));

const encode = (frames: readonly StreamFrame[]) =>
  Buffer.concat(frames.map(({ type, stream, offset, payload }) => encodeStreamFrame(type, stream, offset, payload)));

function parse(sender: Sender, bytes: Buffer, cuts: readonly number[] = []): StreamFrame[] {
  const parser = new StreamFrameParser(sender);
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  const frames = ends.flatMap((end, index) => parser.push(bytes.subarray(ends[index - 1] ?? 0, end)));
  return frames.map((frame) => ({ ...frame, payload: Uint8Array.from(frame.payload) }));
}

/** The frames, and the error that followed them if there was one. */
function outcome(bytes: Buffer, cuts: readonly number[]): string {
  const parser = new StreamFrameParser("client");
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  let error = "";
  try {
    for (const [index, end] of ends.entries()) parser.push(bytes.subarray(ends[index - 1] ?? 0, end));
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(StreamFrameError);
    error = (thrown as Error).message;
  }
  return error;
}

describe("StreamFrameParser", () => {
  test.each(["client", "agent"] as const)("returns the frames that the %s sent, however they are split", (sender) => {
    fc.assert(
      fc.property(fc.array(sentBy(sender), { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 30 }), (frames, cuts) => {
        expect(parse(sender, encode(frames), cuts)).toEqual(frames);
      }),
    );
  });

  test("returns the same bytes at the same offsets if it cuts DATA and COPY_DATA, and holds none of them back", () => {
    const bytesOf = (frames: readonly StreamFrame[]) =>
      frames.flatMap(({ type, stream, offset, payload }) =>
        type === "data" || type === "copyData"
          ? Array.from(payload, (byte, at) => [stream, offset + at, byte])
          : [[type, stream, offset, payload.length]],
      );
    fc.assert(
      fc.property(fc.array(sentBy("agent"), { maxLength: 8 }), fc.integer({ min: 1, max: 100 }), (frames, cut) => {
        const bytes = encode(frames);
        const parser = new StreamFrameParser("agent", { cutData: true });
        const got: StreamFrame[] = [];
        for (let at = 0; at < bytes.length; at += cut) got.push(...parser.push(bytes.subarray(at, at + cut)));
        expect(bytesOf(got)).toEqual(bytesOf(frames));
      }),
    );
    const begun = encodeStreamFrame("data", 2, 7, Buffer.from("hello")).subarray(0, STREAM_HEADER_BYTES + 2);
    const [part] = new StreamFrameParser("agent", { cutData: true }).push(begun);
    expect(part).toEqual({ type: "data", stream: 2, offset: 7, payload: Buffer.from("he") });
  });

  test("takes any bytes, and refuses them with the same line for any split", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((raw) => Buffer.from(raw)),
      fc.tuple(fc.array(sentBy("client"), { maxLength: 4 }), fc.nat(), fc.nat(255)).map(([frames, at, value]) => {
        const encoded = encode(frames);
        if (encoded.length > 0) encoded[at % encoded.length] = value;
        return encoded;
      }),
    );
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(), { maxLength: 30 }), (raw, cuts) => {
        expect(outcome(raw, cuts)).toBe(outcome(raw, []));
      }),
    );
  });

  test("accepts a payload of the maximum length in pieces of one byte", () => {
    const payload = Buffer.alloc(MAX_PAYLOAD_BYTES, 7);
    const bytes = encodeStreamFrame("data", 1, 5, payload);
    const parser = new StreamFrameParser("agent");
    const frames = Array.from(bytes, (byte) => parser.push(Buffer.of(byte))).flat();
    expect(frames).toEqual([{ type: "data", stream: 1, offset: 5, payload }]);
  });

  test.each<[string, Sender, (header: Buffer) => void, string]>([
    ["an unknown type", "client", (it) => it.writeUInt8(99, 0), "frame of type 99: the type is unknown"],
    ["a frame of the other side", "agent", () => {}, "frame stdin: the agent may not send it"],
    ["a frame on another stream", "client", (it) => it.writeUInt8(2, 1), "frame stdin: it doesn't belong to stream 2"],
    ["flags", "client", (it) => it.writeUInt16BE(4, 2), "frame stdin: its flags are 4, not 0"],
    [
      "a length over the maximum",
      "client",
      (it) => it.writeUInt32BE(65_537, 4),
      "frame stdin: its length is 65537, over 65536",
    ],
    ["a missing payload", "client", (it) => it.writeUInt32BE(0, 4), "frame stdin: it has no payload"],
    ["an offset over 2^53 - 1", "client", (it) => it.writeUInt8(1, 8), "frame stdin: its offset is over 2^53 - 1"],
  ])("refuses %s once the header is complete", (_, sender, change, message) => {
    const header = encodeStreamFrame("stdin", 0, 0, Buffer.alloc(100)).subarray(0, STREAM_HEADER_BYTES);
    change(header);
    const parser = new StreamFrameParser(sender);
    expect(parser.push(header.subarray(0, 15))).toEqual([]);
    expect(() => parser.push(header.subarray(15))).toThrow(new StreamFrameError(message));
  });

  test("refuses a payload where none belongs", () => {
    const bytes = encodeStreamFrame("ack", 1, 9, Buffer.of(1, 2));
    expect(() => new StreamFrameParser("client").push(bytes)).toThrow("frame ack: it has a payload of 2 bytes");
  });

  test("has a code of its own for each type, and none was changed", () => {
    expect(frameTypes.map((type) => `${kindOf(type).code} ${type}`)).toEqual([
      ..."1 attach,2 hello,3 data,4 ack,5 gap,6 eof,7 exit,8 stdin,9 stdinAck,10 stdinEof,11 stdinUnsure".split(","),
      ..."12 resize,13 signal,14 ping,15 pong,16 error,17 takenOver,18 time,19 leave".split(","),
      ..."25 copy,26 copyReady,27 copyData,28 copyAck,29 copyEnd".split(","),
      ..."35 forward,36 forwarded,37 forwardJoin,38 forwardEnd,39 forwardRefused,40 forwardListen".split(","),
      ..."41 forwardListening,42 forwardWaiting".split(","),
      ..."45 events,46 eventsStart,47 event,48 eventsGap,49 eventsEnd".split(","),
      ..."50 watch,51 watchUpdate".split(","),
      ..."60 capture,61 captureStarted,62 packets,63 captureStop,64 captureEnd,65 captureInterface".split(","),
      ..."72 core,73 coreStart,74 coreData,75 coreEnd".split(","),
    ]);
  });
});
