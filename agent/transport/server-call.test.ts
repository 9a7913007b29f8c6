import { expect, test } from "vitest";
import { createJournalMemory, journalIn } from "../kernel/journal/journal.ts";
import { type BrokenEvent, type CallEvent, diagnostics } from "./diagnostics.ts";
import { ServerCall } from "./server-call.ts";
import { listen } from "./testing/listen.ts";

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
  const seen = listen<CallEvent>(diagnostics.call);
  call().report(5, "why");
  expect(seen).toEqual([{ peer: "unix", service: "a.B", method: "C", code: 5, ms: expect.any(Number), error: "why" }]);
});

test("a listener that throws is reported, and the others are called all the same", () => {
  const defects = listen<BrokenEvent>(diagnostics.defect);
  const error = new Error("a bug");
  const one = call();
  const told: boolean[] = [];
  one.onSettled(() => {
    throw error;
  });
  one.onSettled((written) => told.push(written));
  one.settle(true);
  expect([told, defects]).toEqual([[true], [{ error }]]);
});

test("the progress of a call is what its handler noted, for the next agent too, and 0 without a journal", () => {
  const { calls } = journalIn(createJournalMemory());
  const { index = -1 } = calls.openConnection(undefined) ?? {};
  const place = calls.openCall(index, 1, Buffer.from("request"), 0);
  const kept = new ServerCall({ service: "a.B", method: "C" }, "unix", new Map(), place, calls);
  expect(kept.progress).toBe(0);
  kept.note(3);
  expect([kept.progress, calls.progress(place)]).toEqual([3, 3]);
  const unkept = [call(), new ServerCall({ service: "a.B", method: "C" }, "unix", new Map(), undefined, calls)];
  for (const each of unkept) {
    each.note(3);
    expect(each.progress).toBe(0);
  }
});
