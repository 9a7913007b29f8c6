import { expect, test } from "vitest";
import type { Sys } from "../../kernel/kernel.ts";
import { leftIn, MAX_LEFT_IN_TERMINAL, readTerminal } from "./read-rest.ts";

/** A terminal whose reads return these counts, in order. */
function terminal(...counts: number[]) {
  const rooms: number[] = [];
  const read = (_fd: number, into: Uint8Array) => {
    rooms.push(into.length);
    return counts.shift() ?? -1;
  };
  return { sys: { read } as unknown as Sys, rooms };
}

test.each([
  [[4, 4], 8, [10, 6, 2]],
  [[4, 4, 2], 10, [10, 6, 2]],
  [[4, 0], 4, [10, 6]],
  [[0], 0, [10]],
  [[], -1, [10]],
])("reads of %j from a terminal are one of %i bytes", (counts, total, expected) => {
  const { sys, rooms } = terminal(...counts);
  expect([readTerminal(sys, 7, new Uint8Array(10)), rooms]).toEqual([total, expected]);
});

test("a pipe whose content the kernel doesn't tell may hold as much as a terminal", () => {
  const readable = () => {
    throw new Error("ENOTTY");
  };
  expect([leftIn({ readable: () => 3 }, 7), leftIn({ readable }, 7)]).toEqual([3, MAX_LEFT_IN_TERMINAL]);
});
