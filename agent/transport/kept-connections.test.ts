import { expect, test } from "vitest";
import { keptDescriptors } from "./kept-connections.ts";

test("deposits that are connections are found by their number, others are left out", () => {
  const deposits = new Map([
    ["conn:3", 30],
    ["sandbox-pidns", 31],
    ["conn:12", 32],
  ]);
  expect([...keptDescriptors(deposits)]).toEqual([
    [3, 30],
    [12, 32],
  ]);
});
