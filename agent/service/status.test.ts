import { expect, test } from "vitest";
import { DecodeError } from "../../proto/codec.ts";
import { AgentError, SystemError } from "../kernel/error.ts";
import { status, toStatus } from "./status.ts";

test("an agent error yields the code of its kind and its message", () => {
  expect(toStatus(new AgentError("not-found", "no container c1"))).toEqual({ code: 5, message: "no container c1" });
  expect(toStatus(new SystemError("mount", 1, "/proc")).code).toBe(13);
});

test("a request that cannot be decoded is UNKNOWN, as hosts expect", () => {
  expect(toStatus(new DecodeError("decode x")).code).toBe(2);
});

test("anything else is INTERNAL in one line, without a stack", () => {
  expect(toStatus(new TypeError("x is\n not\u2028a function"))).toEqual({
    code: 13,
    message: "TypeError: x is not a function",
  });
  expect(toStatus("text")).toEqual({ code: 13, message: "thrown: text" });
  expect(toStatus(undefined)).toEqual({ code: 13, message: "thrown: undefined" });
});

test("a message is truncated at 4 KiB", () => {
  const { message } = status("internal", "y".repeat(1 << 20));
  expect(message).toHaveLength(4096);
  expect(message.endsWith("y…")).toBe(true);
});
