import { join } from "node:path";
import fc from "fast-check";
import protobuf from "protobufjs";
import { expect, test } from "vitest";
import { GrpcFramesParser, WRAP_BYTES, wrapFrames } from "./grpc-frames.ts";

const Frame = protobuf.loadSync(join(import.meta.dirname, "streams-grpc.proto")).lookupType("guestd.v1.Frame");

const prefixed = (message: Uint8Array) => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
};

test("a message is the Frame of streams-grpc.proto", () => {
  const message = wrapFrames(Buffer.from("frames"));
  expect([message.length, message.readUInt32BE(1)]).toEqual([WRAP_BYTES + 6, WRAP_BYTES + 1]);
  expect(Frame.toObject(Frame.decode(message.subarray(5)))).toEqual({ bytes: Buffer.from("frames") });
});

test("gives the bytes of any messages back, cut anywhere", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 })),
      fc.boolean(),
      fc.integer({ min: 1, max: 50 }),
      (parts, ours, cut) => {
        const bytes = Buffer.concat(
          parts.map((part) =>
            ours ? wrapFrames(Buffer.from(part)) : prefixed(Frame.encode({ bytes: part }).finish()),
          ),
        );
        const parser = new GrpcFramesParser();
        const got: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += cut) got.push(...parser.push(bytes.subarray(at, at + cut)));
        expect(Buffer.concat(got).equals(Buffer.concat(parts))).toBe(true);
      },
    ),
  );
});

test("cuts more than 128 KiB into several messages, and skips fields that it doesn't know", () => {
  const many = Buffer.alloc(300_000, 7);
  expect(Buffer.concat(new GrpcFramesParser().push(wrapFrames(many))).equals(many)).toBe(true);
  const unknown = prefixed(Buffer.from("10c80119000000000000000025000000000a01611a0162", "hex"));
  expect(new GrpcFramesParser().push(unknown).map(String)).toEqual(["a"]);
});

test.each<[string, string]>([
  ["compressed", "0100000000"],
  ["over 128 KiB", "00ffffffff"],
  ["not a guestd.v1.Frame", "00000000020a05"],
  ["not a guestd.v1.Frame", "00000000010b"],
  ["not a guestd.v1.Frame", "0000000006ffffffffffff"],
])("refuses a message that is %s", (why, hex) => {
  expect(() => new GrpcFramesParser().push(Buffer.from(hex, "hex"))).toThrow(why);
});

test("ends with an error or without, whatever bytes arrive", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      try {
        new GrpcFramesParser().push(prefixed(bytes));
      } catch (error) {
        expect((error as Error).message).toMatch(/^gRPC message: /);
      }
    }),
  );
});
