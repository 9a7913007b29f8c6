import { expect, test } from "vitest";
import { binaryFrame, parseBinaryFrame } from "./socket.ts";

test("a binary frame has the channel's number before its bytes", () => {
  const frame = binaryFrame(2 ** 32 - 1, Buffer.from("abc"));
  expect([...frame]).toEqual([255, 255, 255, 255, 97, 98, 99]);
  expect(parseBinaryFrame(Buffer.concat([Buffer.from("x"), frame]).subarray(1))).toEqual({
    channel: 2 ** 32 - 1,
    bytes: Buffer.from("abc"),
  });
  expect(parseBinaryFrame(new Uint8Array(3))).toBeUndefined();
});
