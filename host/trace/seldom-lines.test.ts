import { expect, test } from "vitest";
import { seldom } from "./seldom-lines.ts";

test("passes on a line a second, and counts those between", () => {
  let now = 5;
  const printed: string[] = [];
  const add = seldom(
    (line) => printed.push(line),
    () => now,
  );
  for (const line of ["a", "b", "c"]) add(line);
  now += 999;
  add("d");
  now += 1;
  add("e");
  now += 1000;
  add("f");
  expect(printed).toEqual(["a", "e (and 3 failures since the last line)", "f"]);
});
