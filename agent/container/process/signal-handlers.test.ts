import { expect, test } from "vitest";
import { type Files, realFiles } from "../../kernel/files.ts";
import { hasNoHandler } from "./signal-handlers.ts";

const SIGTERM = 15;
const RT_MAX = 64;

function status(parts: { blocked?: string; ignored?: string; caught?: string }): Files {
  const { blocked = "0", ignored = "0", caught = "0" } = parts;
  const mask = (hex: string) => hex.padStart(16, "0");
  const text = `Name:\tsh\nSigPnd:\tffffffffffffffff\nSigBlk:\t${mask(blocked)}\nSigIgn:\t${mask(ignored)}\nSigCgt:\t${mask(caught)}\n`;
  return { ...realFiles, readText: () => text };
}

test("a process that neither handles, blocks nor ignores a signal has no handler", () => {
  expect(hasNoHandler(status({}), 1, SIGTERM)).toBe(true);
  expect(hasNoHandler(status({ caught: "1", ignored: "2" }), 1, SIGTERM)).toBe(true);
});

test.each(["blocked", "ignored", "caught"])("a process that has the signal %s would notice it", (where) => {
  expect(hasNoHandler(status({ [where]: "4000" }), 1, SIGTERM)).toBe(false);
});

test("the highest signal number is read from the highest bit", () => {
  expect(hasNoHandler(status({ caught: "8000000000000000" }), 1, RT_MAX)).toBe(false);
});

test("a process that has ended has no handler", () => {
  expect(hasNoHandler(realFiles, 2 ** 22 + 1, SIGTERM)).toBe(true);
});

test("the real status of Node shows no handler for SIGSYS, and that SIGPIPE is ignored", () => {
  const SIGSYS = 31;
  const SIGPIPE = 13;
  expect([hasNoHandler(realFiles, process.pid, SIGSYS), hasNoHandler(realFiles, process.pid, SIGPIPE)]).toEqual([
    true,
    false,
  ]);
});
