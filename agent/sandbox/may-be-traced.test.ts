import { expect, test } from "vitest";
import { mayBeTraced, type Traceable } from "./may-be-traced.ts";

const container = (mayTrace: boolean, pidNamespace?: number): Traceable => ({ mayTrace, pidNamespace });

test.each([
  ["itself", true, [container(true, 1)]],
  ["nobody", false, [container(false, 1)]],
  ["another in its pid namespace", true, [container(false, 1), container(true, 1)]],
  ["nobody of another pid namespace", false, [container(false, 1), container(true, 2)]],
  ["one that may be anywhere", true, [container(false, 1), container(true)]],
])("a process is traced by %s: %j", (_who, expected, all) => {
  expect(mayBeTraced(all[0] ?? container(false), all)).toBe(expected);
});
