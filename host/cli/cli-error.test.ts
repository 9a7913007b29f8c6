import { expect, test } from "vitest";
import { MachineError } from "../machine/machine-error.ts";
import { oneLine } from "./cli-error.ts";

test("a guest's console is not in the line that a person gets", () => {
  const error = new MachineError("guest: no ready line within 60000 ms; its console's last lines:\n  panic\n  trace");
  expect(oneLine(error)).toBe("guest: no ready line within 60000 ms; --verbose shows its console");
});

test("of an error and one while cleaning up, the first is told", () => {
  expect(oneLine(new SuppressedError(new Error("cleaning"), new Error("cause")))).toBe("cause");
});

test("whatever is thrown has a line", () => {
  expect([oneLine("text"), oneLine(new Error("")), oneLine(undefined)]).toEqual(["text", "it failed", "undefined"]);
});

test("an agent's words say nothing to the terminal, and not more than a screen of it", () => {
  expect(oneLine(new Error("exec \u001b]0;title\u0007"))).toBe("exec \\u001b]0;title\\u0007");
  expect(oneLine(new Error("x".repeat(4 << 20)))).toHaveLength(4002);
});
