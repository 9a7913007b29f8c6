import fc from "fast-check";
import { expect, test } from "vitest";
import { LineSplitter } from "./line-splitter.ts";

function linesOf(bytes: Buffer, cuts: readonly number[], skipsFirst = false): string[] {
  const splitter = new LineSplitter(skipsFirst);
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  const lines = places.slice(1).flatMap((end, at) => splitter.push(bytes.subarray(places[at], end)));
  return [...lines, ...splitter.end()];
}

test("lines are the same however the bytes are cut, within characters too", () => {
  const text = fc.array(fc.constantFrom("a", "ü", "😀", "\n"), { maxLength: 40 }).map((all) => all.join(""));
  fc.assert(
    fc.property(text, fc.array(fc.nat()), (content, cuts) => {
      const whole = content.split("\n");
      if (whole.at(-1) === "") whole.pop();
      expect(linesOf(Buffer.from(content), cuts)).toEqual(whole);
    }),
  );
});

test("the rest of a line that began before is left out", () => {
  expect(linesOf(Buffer.from("rest\none\ntwo"), [2], true)).toEqual(["one", "two"]);
  expect(linesOf(Buffer.from("rest"), [], true)).toEqual([]);
});

test("a long line is cut, and nothing of it is lost", () => {
  const lines = linesOf(Buffer.from(`${"x".repeat(100_000)}\nend\n`), [5000, 40_000]);
  expect(lines.join("")).toBe(`${"x".repeat(100_000)}end`);
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(16 * 1024);
});
