import fc from "fast-check";
import { expect, test } from "vitest";
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  HEADERS,
  http2,
  PREFACE,
  PUSH_PROMISE,
  SETTINGS,
} from "../../test/transport/testing/http2-frames.ts";
import { HeaderGate } from "./header-gate.ts";

const SETTING = http2(SETTINGS, 0, 0);
const FIRST = http2(HEADERS, 0, 1, Buffer.alloc(20, 1));
const REST = http2(CONTINUATION, END_HEADERS, 1, Buffer.alloc(20, 2));
const CONTENT = http2(DATA, 0, 1, Buffer.alloc(50, 3));

test("passes a preface, settings and content byte by byte, but for headers of frames", () => {
  const gate = new HeaderGate();
  expect(gate.take(PREFACE.subarray(0, 3))).toEqual(PREFACE.subarray(0, 3));
  expect(gate.take(Buffer.concat([PREFACE.subarray(3), SETTING]))).toEqual(
    Buffer.concat([PREFACE.subarray(3), SETTING]),
  );
  expect(gate.take(CONTENT.subarray(0, 8))).toEqual(Buffer.alloc(0));
  expect(gate.take(CONTENT.subarray(8, 20))).toEqual(CONTENT.subarray(0, 20));
});

test("holds a header block until its last byte", () => {
  const gate = new HeaderGate();
  gate.take(PREFACE);
  expect(gate.take(Buffer.concat([SETTING, FIRST]))).toEqual(SETTING);
  expect(gate.take(REST.subarray(0, -1))).toEqual(Buffer.alloc(0));
  expect(gate.take(Buffer.concat([REST.subarray(-1), CONTENT]))).toEqual(Buffer.concat([FIRST, REST, CONTENT]));
});

test("passes a frame that interrupts a block, for HTTP/2 to refuse", () => {
  const gate = new HeaderGate();
  gate.take(PREFACE);
  expect(gate.take(Buffer.concat([FIRST, CONTENT]))).toEqual(Buffer.concat([FIRST, CONTENT]));
});

test.each([HEADERS, CONTINUATION, PUSH_PROMISE])("holds a block that begins with a frame of type %i", (type) => {
  const gate = new HeaderGate();
  gate.take(PREFACE);
  expect(gate.take(http2(type, 0, 1, Buffer.alloc(9)))).toEqual(Buffer.alloc(0));
});

test("refuses a block of over 64 KiB, also byte by byte", () => {
  const gate = new HeaderGate();
  gate.take(PREFACE);
  const block = Buffer.concat([
    http2(HEADERS, 0, 1, Buffer.alloc(60_000)),
    http2(CONTINUATION, 0, 1, Buffer.alloc(8000)),
  ]);
  const taken = Array.from(block, (byte) => gate.take(Buffer.of(byte)));
  expect(taken.indexOf(undefined)).toBe(65_536);
});

test("changes nothing, however the bytes are cut", () => {
  const whole = Buffer.concat([PREFACE, SETTING, FIRST, REST, CONTENT, http2(HEADERS, END_HEADERS, 3), CONTENT]);
  fc.assert(
    fc.property(fc.array(fc.nat(whole.length)), (cuts) => {
      const gate = new HeaderGate();
      const places = [0, ...cuts.toSorted((a, b) => a - b), whole.length];
      const passed = places.map((from, at) => gate.take(whole.subarray(from, places[at + 1] ?? whole.length)));
      expect(Buffer.concat(passed.map((bytes) => bytes ?? Buffer.from("refused")))).toEqual(whole);
    }),
  );
});
