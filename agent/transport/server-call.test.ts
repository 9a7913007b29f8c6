import { expect, test } from "vitest";
import { type CallEvent, diagnostics } from "./diagnostics.ts";
import { ServerCall } from "./server-call.ts";

const call = (): ServerCall => new ServerCall({ service: "a.B", method: "C" }, "unix", new Map());

test("the signal aborts with the first reason, even if it is first used afterwards", () => {
  const early = call();
  const { signal } = early;
  early.abort("first");
  early.abort("second");
  expect([signal.aborted, signal.reason]).toEqual([true, "first"]);

  const late = call();
  late.abort("first");
  expect([late.signal.aborted, late.signal.reason]).toEqual([true, "first"]);
  expect(late.signal).toBe(late.signal);
});

test("every listener is called once, with the first result", () => {
  const one = call();
  const told: string[] = [];
  one.onSettled((written) => told.push(`a ${written}`));
  one.onSettled((written) => told.push(`b ${written}`));
  one.settle(false);
  one.settle(true);
  one.onSettled((written) => told.push(`c ${written}`));
  expect(told).toEqual(["a false", "b false", "c false"]);
});

test("a report contains the call, its code and its duration", () => {
  const seen: CallEvent[] = [];
  const listen = (event: unknown): void => void seen.push(event as CallEvent);
  diagnostics.call.subscribe(listen);
  call().report(5, "why");
  diagnostics.call.unsubscribe(listen);
  call().report(0);
  expect(seen).toEqual([{ peer: "unix", service: "a.B", method: "C", code: 5, ms: expect.any(Number), error: "why" }]);
});
