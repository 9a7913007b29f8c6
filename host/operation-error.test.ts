import { expect, test } from "vitest";
import { oneLine } from "./operation-error.ts";
import { MachineError } from "./vm/machine-error.ts";

test("leaves a guest's console out of the error line", () => {
  const error = new MachineError("guest: no ready line within 60000 ms; its console's last lines:\n  panic\n  trace");
  expect(oneLine(error)).toBe("guest: no ready line within 60000 ms; --verbose shows its console");
});

test("reports the original error rather than one from cleaning up", () => {
  expect(oneLine(new SuppressedError(new Error("cleaning"), new Error("cause")))).toBe("cause");
});

test("returns a line for any thrown value", () => {
  expect([oneLine("text"), oneLine(new Error("")), oneLine(undefined)]).toEqual(["text", "unknown error", "undefined"]);
});

test("escapes control characters in an agent's message and truncates it", () => {
  expect(oneLine(new Error("exec \u001b]0;title\u0007"))).toBe("exec \\u001b]0;title\\u0007");
  expect(oneLine(new Error("x".repeat(4 << 20)))).toHaveLength(4002);
});
