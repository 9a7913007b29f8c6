import fc from "fast-check";
import { expect, test } from "vitest";
import { BoundedOutput } from "./bounded-output.ts";

test("an output within the bound is complete", () => {
  const output = new BoundedOutput(8);
  output.add(Buffer.from("1234"));
  output.add(Buffer.from("5678"));
  expect(output.take(true)).toEqual({ text: "12345678", leftOut: 0, isUtf8: true });
  expect(output.isEmpty).toBe(true);
});

test("a longer output keeps its beginning and its end, and says what was left out", () => {
  const output = new BoundedOutput(8);
  for (const part of ["abcdefgh", "ijkl", "mnop"]) output.add(Buffer.from(part));
  expect(output.take(true)).toEqual({ text: "abcd\n[… 8 bytes left out …]\nmnop", leftOut: 8, isUtf8: true });
});

test("without a beginning the last bytes are kept", () => {
  const output = new BoundedOutput(4, 0);
  output.add(Buffer.from("abcdefgh"));
  expect(output.take(true).text).toBe("\n[… 4 bytes left out …]\nefgh");
});

test("a character that isn't complete is taken later, or at the end", () => {
  const output = new BoundedOutput(100);
  const [first, rest] = [Buffer.from("a€").subarray(0, 3), Buffer.from("€").subarray(2)];
  output.add(first);
  expect(output.take(false).text).toBe("a");
  expect(output.isEmpty).toBe(false);
  output.add(rest);
  expect(output.take(false)).toMatchObject({ text: "€", isUtf8: true });
  output.add(first);
  expect(output.take(true)).toMatchObject({ text: "a\ufffd", isUtf8: false });
});

test("no character is cut, and every byte is in the text or counted", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 60 });
  fc.assert(
    fc.property(text, fc.integer({ min: 2, max: 40 }), fc.integer({ min: 1, max: 7 }), (all, bound, step) => {
      const bytes = Buffer.from(all);
      const output = new BoundedOutput(bound);
      for (let at = 0; at < bytes.length; at += step) output.add(bytes.subarray(at, at + step));
      const taken = output.take(true);
      expect(taken.isUtf8).toBe(true);
      const shown = taken.text.replace(`\n[… ${taken.leftOut} bytes left out …]\n`, "");
      expect(Buffer.byteLength(shown) + taken.leftOut).toBe(bytes.length);
      if (bytes.length <= bound) expect(taken).toEqual({ text: all, leftOut: 0, isUtf8: true });
      else expect(taken.leftOut).toBeLessThanOrEqual(bytes.length - bound + 6);
    }),
  );
});

test("pieces of a byte without end cost no more than their bytes", () => {
  const output = new BoundedOutput(1 << 20, 0);
  const piece = Buffer.from("x");
  for (let at = 0; at < 2_000_000; at++) output.add(piece);
  expect(output.take(true)).toMatchObject({ leftOut: 2_000_000 - (1 << 20), isUtf8: true });
});
