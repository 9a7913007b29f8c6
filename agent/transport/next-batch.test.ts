import { expect, test } from "vitest";
import { BATCH_BYTES, nextBatch } from "./next-batch.ts";

const lengths = (...waiting: number[]) =>
  nextBatch(
    waiting.map((length) => ({ bytes: new Uint8Array(length) })),
    ({ bytes }) => bytes,
  ).map(({ bytes }) => bytes.length);

test.each([
  ["everything that fits", [1, 2, 3], [1, 2, 3]],
  ["as much as fits to the byte", [1, BATCH_BYTES - 1, 1], [1, BATCH_BYTES - 1]],
  ["the items before one that doesn't fit", [5, BATCH_BYTES, 1], [5]],
  ["a single item that is longer", [BATCH_BYTES + 1, 1], [BATCH_BYTES + 1]],
  ["empty if nothing waits", [], []],
])("a batch is %s", (_, waiting, expected) => {
  expect(lengths(...waiting)).toEqual(expected);
});
