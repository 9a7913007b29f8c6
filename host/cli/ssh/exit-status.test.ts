import { constants } from "node:os";
import { expect, test } from "vitest";
import { exitStatus, signalNumber } from "./exit-status.ts";

test("returns the exit code of a process that has ended by itself, also over 128", () => {
  expect([exitStatus({ code: 0, signal: 0 }), exitStatus({ code: 137, signal: 0 })]).toEqual([0, 137]);
});

test("returns the name of a signal that SSH has, and otherwise 128 plus its number", () => {
  expect(exitStatus({ code: 137, signal: 9 })).toBe("KILL");
  expect(exitStatus({ code: 128 + constants.signals.SIGBUS, signal: constants.signals.SIGBUS })).toBe(135);
});

test("knows the signals of Linux by SSH's names", () => {
  expect([signalNumber("TERM"), signalNumber("SIGINT"), signalNumber("NO"), signalNumber("__proto__")]).toEqual([
    ...[15, 2, undefined, undefined],
  ]);
});
