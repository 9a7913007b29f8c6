import { expect, test } from "vitest";
import { sizeText } from "./size-text.ts";

test("shows sizes in the unit with the fewest digits", () => {
  expect([0, 1023, 1536, 10 * 2 ** 20, 3 * 2 ** 40].map(sizeText)).toEqual([
    "0 B",
    "1023 B",
    "1.5 KiB",
    "10 MiB",
    "3.0 TiB",
  ]);
});
